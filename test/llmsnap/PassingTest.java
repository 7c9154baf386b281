package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** What goes through: /upstream, queries, forms, chunks, logs. */
class PassingTest extends RoutesFixture {
    @Test void upstreamPassesEverythingOn() {
        Json.Obj echo =
            Running.json(
                Running.send(
                    open.request("/upstream/a//some/p%C3%A4th%2Fx?q=%20&r")
                        .method(
                            "PATCH",
                            HttpRequest.BodyPublishers.ofString(
                                "{\"model\":\"x\"}"))));
        assertThat(echo.text("path")).isEqualTo("//some/p%C3%A4th%2Fx?q=%20&r");
        assertThat(echo.text("method")).isEqualTo("PATCH");
        assertThat(echo.text("body")).isEqualTo("{\"model\":\"x\"}");
        // ids with slashes, plain and encoded; the longest match wins
        assertThat(Running.json(open.get("/upstream/x/y/echo")).text("name")).isEqualTo("a");
        assertThat(Running.json(open.get("/upstream/x%2Fy/echo")).text("name")).isEqualTo("a");
        assertThat(Running.json(open.get("/upstream/x/z/echo")).text("path")).isEqualTo("/z/echo");
        HttpResponse<String> redirect = open.get("/upstream/x/y?q=1");
        assertThat(redirect.statusCode()).isEqualTo(301);
        assertThat(redirect.headers().firstValue("location")).contains("/upstream/x/y/?q=1");
        assertThat(open.post("/upstream/a", "").statusCode()).isEqualTo(308);
        assertThat(Running.send(open.request("/upstream").GET()).headers().firstValue("location"))
            .contains("/ui/models");
        assertThat(open.get("/upstream/nope/x").statusCode()).isEqualTo(404);
    }

    @Test void upgradesAreRefusedWithAReason() throws Exception {
        assertThat(
                        open.raw(
                            "GET /upstream/a/ws HTTP/1.1\r\n"
                                + "Host: x\r\n"
                                + "Connection: Upgrade, close\r\n"
                                + "Upgrade: websocket\r\n\r\n"))
            .startsWith("HTTP/1.1 502")
            .contains("WebSocket");
    }

    @Test void queriesNameAModel() {
        Json.Obj echo = Running.json(open.get("/props?autoload=1&model=x%2Fy"));
        assertThat(echo.text("path")).isEqualTo("/props?autoload=1&model=x%2Fy");
        assertThat(open.get("/props").body()).contains("\"role\":\"router\"");
        assertThat(open.get("/v1/audio/voices?model=a").statusCode()).isEqualTo(200);
    }

    @Test void formsNameAModel() {
        String form =
            "preamble\r\n"
                + "--B\r\n"
                + "Content-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n"
                + "X-Odd:  1\r\n\r\n\r\n"
                + "--Bx\r\n"
                + "--B not\r\n"
                + "\r\n"
                + "--B\r\n"
                + "content-disposition: FORM-DATA; Name=model\r\n\r\n"
                + "x\r\n"
                + "--B--\r\n"
                + "epilogue";
        HttpRequest.Builder request =
            open.request("/v1/audio/transcriptions?model=a")
                .header("Content-Type", "Multipart/Form-Data; Boundary=\"B\"")
                .POST(HttpRequest.BodyPublishers.ofString(form));
        Json.Obj echo = Running.json(Running.send(request));
        assertThat(echo.text("name")).isEqualTo("x");
        assertThat(echo.text("body"))
            .isEqualTo(form.replace("\r\n\r\nx\r\n--B", "\r\n\r\nreal\r\n--B"));
        assertThat(echo.at("headers").toString())
            .contains("Multipart/Form-Data; Boundary=\\\"B\\\"");
        for (String bad :
            List.of(
                "",
                "--B",
                "--B\r\n",
                "--B\r\nContent-Disposition: form-data; name=model\r\n\r\na",
                "--B\r\nContent-Disposition: form-data; name=other\r\n\r\na\r\n--B--")) {
            assertThat(
                            Running.send(
                                            open.request("/v1/images/edits")
                                                .header(
                                                    "Content-Type",
                                                    "multipart/form-data; boundary=B")
                                                .POST(HttpRequest.BodyPublishers.ofString(bad)))
                                .statusCode())
                .as(bad)
                .isEqualTo(400);
        }
        assertThat(
                        Running.send(
                                        open.request("/v1/images/edits")
                                            .header("Content-Type", "multipart/form-data")
                                            .POST(HttpRequest.BodyPublishers.ofString(form)))
                            .body())
            .contains("no boundary");
        Json.Obj encoded =
            Running.json(
                Running.send(
                    open.request("/v1/other")
                        .header("Content-Type", "application/x-www-form-urlencoded")
                        .POST(
                            HttpRequest.BodyPublishers.ofString(
                                "a=1&model=x&b=%20"))));
        assertThat(encoded.text("body")).isEqualTo("a=1&model=real&b=%20");
    }

    @Test void largeFormsGoThroughAFile() {
        byte[] head =
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
                .getBytes();
        byte[] tail =
            "\r\n--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n--B--\r\n"
                .getBytes();
        byte[] all = new byte[head.length + (40 << 20) + tail.length];
        System.arraycopy(head, 0, all, 0, head.length);
        System.arraycopy(tail, 0, all, all.length - tail.length, tail.length);
        Json.Obj echo =
            Running.json(
                Running.send(
                    open.request("/v1/audio/transcriptions")
                        .header("Content-Type", "multipart/form-data; boundary=B")
                        .POST(HttpRequest.BodyPublishers.ofByteArray(all))));
        assertThat(echo.at("length"))
            .as(echo.toString())
            .isEqualTo(new Json.Num(String.valueOf(all.length + 3)));
    }

    @Test void chunkedRequestsGoOnWithALength() {
        byte[] body = "{\"model\":\"a\"}".getBytes();
        Json.Obj echo =
            Running.json(
                Running.send(
                    open.request("/v1/rerank")
                        .POST(
                            HttpRequest.BodyPublishers.ofInputStream(
                                () ->
                                    new ByteArrayInputStream(
                                        body)))));
        assertThat(echo.text("headers", "Content-Length")).isEqualTo(String.valueOf(body.length));
        assertThat(echo.text("headers", "Transfer-Encoding")).isNull();
    }

    @Test void headAnswersWithoutABody() throws Exception {
        assertThat(open.raw("HEAD /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
            .contains("HTTP/1.1 200")
            .containsPattern("(?i)content-length: [1-9]")
            .endsWith("\r\n\r\n");
    }

    @Test void aStreamEndsAlsoForARequestWithALargeHead() throws Exception {
        HttpResponse<String> answer = Running.send(open.request("/v1/chat/completions")
            .header("X-Large", "x".repeat(20_000))
            .POST(HttpRequest.BodyPublishers.ofString("""
                {"model":"a","stream":true,"max_tokens":3}""")));
        assertThat(answer.body()).endsWith("data: [DONE]\n\n");
        assertThat(answer.headers().firstValue("connection")).contains("close");
    }

    @Test void logsAreShownAndStreamed() throws Exception {
        assertThat(open.get("/logs").body()).contains("model a: ready");
        assertThat(
                        Running.send(open.request("/logs").header("Accept", "text/html,*/*").GET())
                            .headers()
                            .firstValue("location"))
            .contains("/ui/");
        assertThat(open.get("/logs/stream/nobody").statusCode()).isEqualTo(404);
        for (String path : List.of("/logs/stream/a", "/log/stream/upstream", "/logs/stream/x/y")) {
            assertThat(firstOf(path)).contains("a: loading on port");
        }
        assertThat(firstOf("/logs/stream/proxy"))
            .contains("model a: starting")
            .doesNotContain("loading on port");
        try (var client = open.connect()) {
            client.getOutputStream()
                .write("GET /logs/stream?no-history HTTP/1.1\r\nHost: x\r\n\r\n".getBytes());
            byte[] head = new byte[4096];
            String first = new String(head, 0, client.getInputStream().read(head));
            assertThat(first)
                .contains("200 OK")
                .containsIgnoringCase("x-accel-buffering: no")
                .doesNotContain("model a");
            open.get("/running");
            String later = "";
            while (!later.contains("GET /running 200")) {
                int n = client.getInputStream().read(head);
                assertThat(n).as(later).isPositive();
                later += new String(head, 0, n);
            }
        }
    }

    private String firstOf(String path) throws Exception {
        try (var client = open.connect()) {
            client.getOutputStream()
                .write(("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n").getBytes());
            byte[] buffer = new byte[65536];
            StringBuilder text = new StringBuilder();
            while (!text.toString().contains("\n[") && !text.toString().contains("loading")) {
                text.append(new String(buffer, 0, client.getInputStream().read(buffer)));
            }
            return text.toString();
        }
    }

    @Test void anEmptyIdUnloadsNothing() {
        assertThat(open.post("/api/models/unload/", "").statusCode()).isEqualTo(404);
        assertThat(open.post("/models/unload/", "").body()).contains("the model's id is missing");
    }

    @Test void oddChunksGetA400() throws Exception {
        for (String chunks : List.of("zz\r\n{}\r\n0\r\n\r\n", "-1c\r\n")) {
            assertThat(
                            open.raw(
                                "POST /v1/rerank HTTP/1.1\r\n"
                                    + "Host: x\r\n"
                                    + "Transfer-Encoding: chunked\r\n\r\n"
                                        + chunks))
                .as(chunks)
                .startsWith("HTTP/1.1 400");
        }
    }

    @Test void oneModelOfTheList() {
        assertThat(Running.json(open.get("/v1/models/x")).text("id")).isEqualTo("x");
        assertThat(open.get("/v1/models/nope").statusCode()).isEqualTo(404);
        assertThat(open.post("/api/models/sleep/a", "").statusCode()).isEqualTo(400);
    }
}
