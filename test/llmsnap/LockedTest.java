package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** What strangers, pages of other sites, models' pages and slow clients cannot do. */
class LockedTest {
    private static final String TWO = "models: {a: {cmd: '${sim}'}, b: {cmd: '${sim}'}}\n";
    private static final List<String> SIGNS = List.of("User-Agent: Mozilla/5.0 (X11)",
        "Accept: image/avif,image/webp,*/*;q=0.8", "Referer: http://evil.example/",
        "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors");

    private static String get(Running llmsnap, String path, String... headers) throws Exception {
        return llmsnap.raw("GET " + path + " HTTP/1.1\r\nHost: 192.168.1.5:8080\r\n"
            + String.join("\r\n", headers) + "\r\nConnection: close\r\n\r\n");
    }

    @Test void aGetOfABrowserChangesNothing() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            llmsnap.chat("a");
            for (String sign : SIGNS) {
                assertThat(get(llmsnap, "/unload", sign)).as(sign).startsWith("HTTP/1.1 403")
                    .contains("POST /api/models/unload");
                assertThat(get(llmsnap, "/upstream/b/v1/x", sign)).as(sign)
                    .startsWith("HTTP/1.1 403").contains("POST /api/models/load/b");
                assertThat(get(llmsnap, "/v1/audio/voices?model=b", sign)).as(sign)
                    .startsWith("HTTP/1.1 403");
                assertThat(get(llmsnap, "/upstream/a/v1/x", sign)).as(sign)
                    .startsWith("HTTP/1.1 200");
            }
            assertThat(llmsnap.running()).containsExactly("a:ready");
            assertThat(get(llmsnap, "/upstream/b/x", SIGNS.getFirst(), "X-Llmsnap-Page: 1"))
                .startsWith("HTTP/1.1 200");
            assertThat(get(llmsnap, "/unload", "User-Agent: curl/8")).startsWith("HTTP/1.1 200");
            assertThat(llmsnap.running()).isEmpty();
        }
    }

    @Test void noOtherSiteMaySayThatItIsAPageOfOurs() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            assertThat(llmsnap.raw("OPTIONS /unload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                + "Access-Control-Request-Headers: x-a, x-llmsnap-page\r\n\r\n"))
                .containsIgnoringCase("Access-Control-Allow-Headers: x-a\r\n")
                .doesNotContainIgnoringCase("llmsnap-page");
            assertThat(get(llmsnap, "/running", "Sec-Fetch-Site: strange"))
                .startsWith("HTTP/1.1 403");
        }
    }

    @Test void aPageOfAModelThatIsNotLoadedHasAButton() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            assertThat(get(llmsnap, "/upstream/b/deep/page", "Accept: text/html,*/*"))
                .startsWith("HTTP/1.1 409").contains("action=\"../../../api/models/load/b\"")
                .contains("src=\"../../../ui/load.js\"");
            assertThat(llmsnap.running()).isEmpty();
            assertThat(llmsnap.get("/ui/load.js").statusCode()).isEqualTo(200);
        }
    }

    @Test void withoutKeysOnlyNamesThatNobodyElseCanGiveControl() throws Exception {
        try (Running llmsnap = Running.start("allowedHosts: [llm.example.org]\n" + TWO)) {
            for (String host : List.of("evil.example", "evil%2eexample", "[evil.example]",
                    "1.2.3.4.evil.example", "a@b")) {
                String asked = " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
                assertThat(llmsnap.raw("GET /running" + asked)).as(host).doesNotContain("200 OK");
                assertThat(llmsnap.raw("POST /api/models/load/a" + asked)).as(host)
                    .doesNotContain("200 OK");
            }
            for (String host : List.of("llm.example.org", "[::1]:80", "10.1.2.3", "gpu-box_1")) {
                assertThat(llmsnap.raw("GET /running HTTP/1.1\r\nHost: " + host
                    + "\r\nConnection: close\r\n\r\n")).as(host).startsWith("HTTP/1.1 200");
            }
            assertThat(llmsnap.raw("GET /v1/models HTTP/1.1\r\nHost: evil.example"
                + "\r\nConnection: close\r\n\r\n")).startsWith("HTTP/1.1 200");
        }
    }

    @Test void anotherPortOfThisHostIsAnotherSite() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            String other = "Origin: http://127.0.0.1:" + (llmsnap.port + 1);
            String own = "Origin: http://127.0.0.1:" + llmsnap.port;
            for (String path : List.of("/api/models/load/a", "/api/pause", "/v/props",
                    "/v/slots/0?action=erase")) {
                for (String sign : List.of(other, "Sec-Fetch-Site: same-site", "Origin: null")) {
                    assertThat(post(llmsnap, path, sign)).as(path + " " + sign)
                        .startsWith("HTTP/1.1 403");
                }
                assertThat(post(llmsnap, path, own)).as(path).doesNotContain("HTTP/1.1 403");
            }
            assertThat(get(llmsnap, "/slots?model=a", other)).startsWith("HTTP/1.1 403");
            assertThat(post(llmsnap, "/v/v1/chat/completions", other)).startsWith("HTTP/1.1 200");
        }
    }

    private static String post(Running llmsnap, String path, String header) throws IOException {
        return llmsnap.raw("POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + llmsnap.port + "\r\n"
            + header + "\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"model\":\"a\"}");
    }

    private static String page(String headers) {
        return "\"sim\":{\"raw\":" + Json.of("HTTP/1.1 200 OK\r\n" + headers
            + "Content-Length: 2\r\n\r\nok") + "}";
    }

    @Test void aModelsPageDoesNotBecomeOurs() throws Exception {
        String headers = "Content-Type: text/html\r\nService-Worker-Allowed: /\r\n"
            + "Clear-Site-Data: \"*\"\r\n";
        for (boolean trusted : List.of(false, true)) {
            try (Running llmsnap = Running.start("upstream: {trusted: " + trusted + "}\n" + TWO)) {
                HttpResponse<String> answer = llmsnap.post("/upstream/a/v1/chat/completions",
                    "{\"model\":\"a\"," + page(headers) + "}");
                assertThat(answer.statusCode()).isEqualTo(200);
                assertThat(answer.headers().map()).doesNotContainKeys(
                    "service-worker-allowed", "clear-site-data");
                assertThat(answer.headers().firstValue("content-security-policy").orElse("none"))
                    .startsWith(trusted ? "none" : "sandbox");
                assertThat(get(llmsnap, "/running", "Origin: null")).startsWith("HTTP/1.1 403")
                    .contains("upstream: {trusted: true}");
            }
        }
    }

    @Test void dotsDoNotLeadOutOfAModelsPath() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String path : List.of("/upstream/a/../../v1/x", "/upstream/a/%2e%2e/v1/x",
                    "/upstream/a/x/../../y", "/upstream/a/..")) {
                assertThat(get(llmsnap, path)).as(path).startsWith("HTTP/1.1 400");
            }
            assertThat(get(llmsnap, "/upstream/a/x/../y")).startsWith("HTTP/1.1 200");
        }
    }

    @Test void whatStrangersSayIsCutInEveryEcho() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            String longName = "n".repeat(50_000);
            assertThat(llmsnap.chat(longName).body()).hasSizeLessThan(600);
            assertThat(llmsnap.get("/" + longName).body()).hasSizeLessThan(600);
            Running.await("the lines", () -> llmsnap.count("nnnn") > 1);
            assertThat(llmsnap.output().lines()).allMatch(line -> line.length() < 700);
        }
    }

    @Test void oddMethodsAndBadChunksAreRefused() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String method : List.of("GE T", "G\u00c9T", "A".repeat(60), "X{}")) {
                assertThat(llmsnap.raw(method + " /upstream/a/x HTTP/1.1\r\nHost: x\r\n"
                    + "Connection: close\r\n\r\n")).as(method)
                    .containsPattern("^(HTTP/1.1 (400|501|405|404)|reset|$)");
            }
            for (String chunk : List.of("zz\r\n", "-5\r\nhello", "FFFFFFFFFFFFFFFFF\r\n")) {
                assertThat(llmsnap.raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                    + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunk))
                    .as(chunk).containsPattern("^HTTP/1.1 400");
            }
            assertThat(llmsnap.output()).doesNotContain("[ERROR]").doesNotContain("Exception");
        }
    }

    @Test void aPathThatWouldBeAHostIsRefused() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String target : List.of("%2Fsdapi%2Fv1%2Fx@127.0.0.9/y?model=a",
                    "%2Fprops?model=a", "%2Fhealth")) {
                assertThat(get(llmsnap, target)).as(target).startsWith("HTTP/1.1 400");
            }
            assertThat(llmsnap.output()).doesNotContain("[ERROR]");
        }
    }

    @Test void whateverABrowserMightTakeForAPageIsSandboxed() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String type : List.of("", "Content-Type: \r\n", "Content-Type: */*\r\n",
                    "Content-Type: text/plain, text/html\r\n", "Content-Type: text/xsl\r\n",
                    "Content-Type: text/plain\r\nContent-Type: text/html\r\n",
                    "Content-Type: image/svg+xml\r\n", "Content-Type: ;text/html\r\n")) {
                HttpResponse<String> answer =
                    llmsnap.post("/v1/chat/completions", "{\"model\":\"a\"," + page(type) + "}");
                assertThat(answer.headers().firstValue("content-security-policy")).as(type)
                    .hasValueSatisfying(policy -> assertThat(policy).startsWith("sandbox"));
            }
            assertThat(llmsnap.chat("a").headers().firstValue("content-security-policy")).isEmpty();
        }
    }

    @Test void aModelSendsNobodyToOurOwnRoutesAndSetsNoCookies() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String to : List.of("/api/reload", "//x/api", "http://127.0.0.1:" + llmsnap.port
                    + "/api/reload", "../../unload", "http:/unload", "http:\\\\\\\\x\\\\unload",
                    "http://localhost:" + llmsnap.port + "/unload", "http://x@127.0.0.1:"
                    + llmsnap.port + "/unload", "unload", "javascript:x")) {
                HttpResponse<String> answer = llmsnap.post("/v1/chat/completions",
                    "{\"model\":\"a\","
                        + page("Location: " + to + "\r\nSet-Cookie: a=b\r\n") + "}");
                assertThat(answer.headers().map()).as(to)
                    .doesNotContainKeys("location", "set-cookie");
            }
        }
    }

    @Test void aStarIsNoHeaderThatOtherSitesAreAllowed() throws Exception {
        try (Running llmsnap = Running.start("apiKeys: [k]\n" + TWO)) {
            assertThat(llmsnap.raw("OPTIONS /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                + "Access-Control-Request-Headers: *, x-a\r\n\r\n")).contains("x-a\r\n")
                .doesNotContain("*, ");
            // A browser sends a saved log-in along with any page's form.
            assertThat(llmsnap.raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                + "Authorization: Basic eDpr\r\nOrigin: http://evil.example\r\n"
                + "Sec-Fetch-Site: cross-site\r\nConnection: close\r\nContent-Length: 13\r\n\r\n"
                + "{\"model\":\"a\"}")).startsWith("HTTP/1.1 403");
        }
    }

    @Test void aBodyThatNobodyWantsIsNotWaitedFor() throws Exception {
        try (Running llmsnap = Running.start(TWO); Socket client = llmsnap.connect()) {
            client.getOutputStream().write(("GET /health HTTP/1.1\r\nHost: x\r\n"
                + "Content-Length: 1000\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
            assertThat(new String(client.getInputStream().readAllBytes(),
                StandardCharsets.US_ASCII)).startsWith("HTTP/1.1 200").endsWith("OK");
        }
    }

    @Test void aBadChunkOnItsWayToAModelIsTheClientsFault() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String chunk : List.of("zz\r\nabc", "-5\r\nabc", "3\r\nabc\r\nzz\r\n")) {
                assertThat(llmsnap.raw("POST /upstream/a/x HTTP/1.1\r\nHost: x\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n" + chunk)).as(chunk)
                    .startsWith("HTTP/1.1 400");
            }
            assertThat(llmsnap.chat("b").statusCode()).isEqualTo(200);
        }
    }

    @Test void secretsOfTheFileAreSeenByNobody() throws Exception {
        Path file = Running.config("""
            apiKeys: ["${env.LLMSNAP_TEST}"]
            models:
              a: {cmd: '${sim} --name ${env.MY_TOKEN}'}
              b: {cmd: [sh, -c, 'echo "key=$LLMSNAP_TEST"; exit 1'], proxy: 'http://localhost:1'}
            """);
        List<String> java =
            List.of("env", "LLMSNAP_TEST=the-key", "MY_TOKEN=hf-1234", Running.JAVA);
        try (Running llmsnap = Running.start(file, 0, java)) {
            for (String model : List.of("a", "b")) {
                Running.send(llmsnap.request("/api/models/load/" + model)
                    .header("x-api-key", "the-key")
                    .POST(BodyPublishers.noBody()));
            }
            String explained = Running.send(llmsnap.request("/api/explain?model=a")
                .header("x-api-key", "the-key").GET()).body();
            assertThat(explained).contains("--name ***").doesNotContain("hf-1234");
            Running.await("the start", () -> llmsnap.output().contains("key="));
            assertThat(llmsnap.output()).contains("key=\n").doesNotContain("hf-1234")
                .doesNotContain("the-key");
        }
    }

    @Test void aReloadDoesNotOpenAServerThatOthersReach() throws Exception {
        try (Running llmsnap = Running.start("apiKeys: [k]\n" + TWO, "--listen", "0.0.0.0:0")) {
            Files.writeString(llmsnap.config, Running.SIM + TWO);
            assertThat(Running.send(llmsnap.request("/api/reload").header("x-api-key", "k")
                .POST(BodyPublishers.noBody())).body())
                .contains("has no apiKeys any more");
            assertThat(llmsnap.get("/running").statusCode()).isEqualTo(401);
            Files.writeString(llmsnap.config, "apikeys: [k]\n" + Running.SIM + TWO);
            assertThat(Running.send(llmsnap.request("/api/reload").header("x-api-key", "k")
                .POST(BodyPublishers.noBody())).body())
                .contains("protects nothing; did you mean \\\"apiKeys\\\"?");
        }
    }

    @Test void anUploadThatStopsIsGivenUpAndItsModelIsFree() throws Exception {
        try (Running llmsnap = Running.start(TWO); Socket upload = llmsnap.connect()) {
            upload.setSoTimeout(60_000);
            upload.getOutputStream().write(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                + "Content-Length: 1000\r\n\r\n{").getBytes(StandardCharsets.US_ASCII));
            var answer = new String(upload.getInputStream().readAllBytes(),
                StandardCharsets.US_ASCII);
            assertThat(answer).startsWith("HTTP/1.1 408").contains("did not come on for 30 s");
            assertThat(llmsnap.chat("b").statusCode()).isEqualTo(200);
        }
    }

    @Test void halfAHeadIsNotWaitedForLong() throws Exception {
        try (Running llmsnap = Running.start(TWO); Socket half = llmsnap.connect()) {
            half.getOutputStream().write("GET /health HTTP/1.1\r\nHo".getBytes(
                StandardCharsets.US_ASCII));
            long start = System.nanoTime();
            assertThat(half.getInputStream().read()).isNegative();
            assertThat((System.nanoTime() - start) / 1_000_000_000.0).isBetween(14.0, 25.0);
            assertThat(llmsnap.get("/health").statusCode()).isEqualTo(200);
        }
    }
}
