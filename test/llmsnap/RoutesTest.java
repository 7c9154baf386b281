package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Who may do what, over every route, method, spelling and kind of caller; and what the less common
 * routes do.
 */
class RoutesTest extends RoutesFixture {
    private static final List<String> INFERENCE =
        List.of(
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/responses",
            "/v1/embeddings",
            "/v1/messages",
            "/v1/messages/count_tokens",
            "/v1/audio/speech",
            "/v1/audio/voices",
            "/v1/images/generations",
            "/v1/images/edits",
            "/v1/audio/transcriptions",
            "/v1/rerank",
            "/v1/reranking",
            "/rerank",
            "/reranking",
            "/infill",
            "/completion",
            "/tokenize",
            "/detokenize",
            "/apply-template",
            "/score",
            "/classify",
            "/pooling",
            "/sdapi/v1/txt2img",
            "/sdapi/v1/img2img",
            "/v1/some/new/endpoint");
    private static final List<String> LISTING =
        List.of(
            "/v1/models",
            "/models",
            "/v1/models/a",
            "/props?model=none",
            "/v1/audio/voices?model=none");
    private static final List<String> NO_TRAILING_SLASH =
        List.of("/api/models/unload", "/models/unload");
    private static final List<String> CONTROL_GET =
        List.of(
            "/running",
            "/unload",
            "/logs",
            "/log",
            "/api/version",
            "/upstream",
            "/upstream/none/",
            "/api/metrics",
            "/api/captures/1",
            "/api/explain?model=none",
            "/metrics");
    private static final List<String> CONTROL_POST =
        List.of(
            "/api/models/unload",
            "/models/unload",
            "/api/models/unload/none",
            "/models/unload/none",
            "/api/models/sleep/none",
            "/models/sleep/none",
            "/api/models/load/none",
            "/upstream/none/v1/x",
            "/api/inflight/1/cancel");
    private static final List<String> OPEN =
        List.of(
            "/health",
            "/wol-health",
            "/",
            "/ui",
            "/ui/style.css",
            "/ui/models",
            "/favicon.ico");

    private static int status(Running llmsnap, String method, String path, String... headers) {
        HttpRequest.Builder request =
            llmsnap.request(path)
                .method(
                    method,
                    method.equals("POST")
                        ? HttpRequest.BodyPublishers.ofString(
                            "{\"model\":\"none\"}")
                        : HttpRequest.BodyPublishers.noBody());
        if (headers.length > 0) request.headers(headers);
        return Running.send(request).statusCode();
    }

    /** The same path as others may write it. */
    private static List<String> spellings(String path) {
        int query = path.indexOf('?');
        String bare = query < 0 ? path : path.substring(0, query);
        String rest = query < 0 ? "" : path.substring(query);
        List<String> spellings = new ArrayList<>(List.of(path));
        if (bare.length() > 1) {
            // Of "//x" the JDK's server itself says 404; that of Java 21 says 400 of anything that
            // begins with two slashes.
            if (bare.indexOf('/', 1) > 0 && Runtime.version().feature() >= 24) {
                spellings.add("/" + path);
            }
            if (!NO_TRAILING_SLASH.contains(bare)) {
                spellings.add(bare + "/" + rest); // there the id is missing, see below
            }
            spellings.add("/%" + Integer.toHexString(bare.charAt(1)) + bare.substring(2) + rest);
        }
        return spellings;
    }

    @Test void withoutAKeyOnlyTheOpenRoutesAnswer() {
        for (String path : INFERENCE) {
            for (String each : spellings(path)) {
                assertThat(status(locked, "POST", each)).as(each).isEqualTo(401);
            }
        }
        for (String path : LISTING) {
            for (String each : spellings(path)) {
                assertThat(status(locked, "GET", each)).as(each).isEqualTo(401);
            }
        }
        for (String path : CONTROL_GET) {
            for (String each : spellings(path)) {
                assertThat(status(locked, "GET", each)).as(each).isEqualTo(401);
            }
        }
        for (String path : CONTROL_POST) {
            for (String each : spellings(path)) {
                assertThat(status(locked, "POST", each)).as(each).isEqualTo(401);
            }
        }
        for (String path : OPEN) {
            assertThat(status(locked, "GET", path)).as(path).isBetween(200, 302);
        }
        assertThat(status(locked, "OPTIONS", "/unload")).isEqualTo(204);
        assertThat(status(locked, "HEAD", "/running")).isEqualTo(401);
        assertThat(status(locked, "PUT", "/upstream/a/x")).isEqualTo(401);
        assertThat(
                        Running.send(locked.request("/running").GET())
                            .headers()
                            .firstValue("www-authenticate"))
            .contains("Basic realm=\"llmsnap\"");
    }

    @Test void withAKeyEverythingIsReached() {
        String[] bearer = {"Authorization", "Bearer k1"};
        for (String path : INFERENCE) {
            for (String each : spellings(path)) {
                assertThat(status(locked, "POST", each, bearer)).as(each).isEqualTo(404);
            }
        }
        for (String path : LISTING) {
            assertThat(status(locked, "GET", path, bearer)).as(path).isIn(200, 404);
        }
        for (String path : CONTROL_GET) {
            assertThat(status(locked, "GET", path, bearer)).as(path).isIn(200, 302, 404);
        }
        for (String path : CONTROL_POST) {
            assertThat(status(locked, "POST", path, bearer)).as(path)
                .isIn(200, 400, 404);     // of the router: what is not loaded cannot be unloaded
        }
    }

    @Test void aKeyComesInThreeWaysAndNoOther() {
        String basic = Base64.getEncoder().encodeToString("anybody:k1".getBytes());
        assertThat(status(locked, "GET", "/running", "Authorization", "bearer k1")).isEqualTo(200);
        assertThat(status(locked, "GET", "/running", "x-api-key", "k1")).isEqualTo(200);
        assertThat(status(locked, "GET", "/running", "Authorization", "Basic " + basic))
            .isEqualTo(200);
        assertThat(
                        status(
                            locked,
                            "GET",
                            "/running",
                            "Authorization",
                            "Bearer wrong",
                            "x-api-key",
                            "k1"))
            .isEqualTo(200);
        for (String wrong :
            List.of(
                "Bearer k",
                "Bearer k11",
                "Bearer ",
                "Bearer",
                "k1",
                "Basic k1",
                "Basic !!!",
                "Digest k1")) {
            assertThat(status(locked, "GET", "/running", "Authorization", wrong))
                .as(wrong)
                .isEqualTo(401);
        }
        assertThat(status(locked, "GET", "/running?api_key=k1")).isEqualTo(401);
    }

    @Test void aKeyOutsideAsciiIsComparedAsUtf8() throws Exception {
        String key =
            new String(
                "schlüssel".getBytes(StandardCharsets.UTF_8),
                StandardCharsets.ISO_8859_1);
        assertThat(
                        locked.raw(
                            "GET /running HTTP/1.1\r\n"
                                + "Host: x\r\n"
                                + "Connection: close\r\n"
                                + "Authorization: Bearer "
                                    + key
                                    + "\r\n\r\n"))
            .startsWith("HTTP/1.1 200");
    }

    @Test void aNameThatWasMadeToLeadHereShowsNothingToABrowser() throws Exception {
        for (String path :
            List.of("/api/captures/1", "/api/metrics", "/api/events", "/logs", "/running")) {
            for (String mark :
                List.of("User-Agent: Mozilla/5.0 (X11)", "Referer: http://evil.example.com/")) {
                String asked =
                    "GET "
                        + path
                        + " HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n"
                        + mark
                        + "\r\n\r\n";
                assertThat(open.raw(asked)).as(path + " " + mark).startsWith("HTTP/1.1 403");
            }
        }
        for (String fine :
            List.of(
                "Host: 10.0.0.1:8080\r\nUser-Agent: Mozilla/5.0",
                "Host: gpu\r\nUser-Agent: Mozilla/5.0",
                "Host: gpu.lan\r\n"
                    + "User-Agent: Mozilla/5.0\r\n"
                    + "Sec-Fetch-Site: same-origin")) {
            assertThat(
                            open.raw(
                                "GET /running HTTP/1.1\r\nConnection: close\r\n"
                                    + fine
                                    + "\r\n\r\n"))
                .as(fine)
                .startsWith("HTTP/1.1 200");
        }
    }

    @Test void withAKeyAnyNameWillDo() throws Exception {
        String basic = Base64.getEncoder().encodeToString("anybody:k1".getBytes());
        for (String asked : List.of("GET /api/version", "POST /api/models/unload/none")) {
            String head =
                asked
                    + " HTTP/1.1\r\n"
                    + "Host: llm.example.com\r\n"
                    + "Connection: close\r\n"
                    + "User-Agent: Mozilla/5.0\r\n"
                    + "Origin: https://llm.example.com\r\n"
                    + "Content-Length: 0\r\n"
                    + "Authorization: Basic "
                    + basic
                    + "\r\n\r\n";
            assertThat(locked.raw(head)).as(asked).doesNotStartWith("HTTP/1.1 403");
            assertThat(locked.raw(head.replace("Origin: https://llm", "Origin: https://evil")))
                .as("but not from another site: " + asked)
                .startsWith("HTTP/1.1 403");
        }
    }

    @Test void noKeyReachesAModelOrALog() {
        HttpResponse<String> echo =
            Running.send(
                locked.request("/v1/rerank")
                    .header("Authorization", "Bearer k1")
                    .header("x-api-key", "k1")
                    .POST(HttpRequest.BodyPublishers.ofString("{\"model\":\"a\"}")));
        assertThat(echo.statusCode()).isEqualTo(200);
        assertThat(echo.body()).doesNotContain("k1").doesNotContainIgnoringCase("authorization");
        assertThat(locked.output()).doesNotContain("k1");
        String error =
            Running.send(
                            locked.request("/v1/messages")
                                .POST(HttpRequest.BodyPublishers.ofString("{}")))
                .body();
        assertThat(error).startsWith("""
            {"type":"error","error":{"type":"authentication_error\"""");
    }

    @Test void pagesOfOtherSitesMayUseButNotControl() {
        String[][] foreign = {
            {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "null"}
        };
        for (String[] headers : foreign) {
            for (String path : CONTROL_GET) {
                assertThat(status(open, "GET", path, headers)).as(path).isEqualTo(403);
            }
            for (String path : CONTROL_POST) {
                assertThat(status(open, "POST", path, headers)).as(path).isEqualTo(403);
            }
            assertThat(status(open, "GET", "/v1/models", headers)).isEqualTo(200);
            assertThat(status(open, "POST", "/v1/rerank", headers)).isEqualTo(404);
        }
        assertThat(
                        status(
                            open,
                            "GET",
                            "/running",
                            "Origin",
                            "http://127.0.0.1:9",
                            "Sec-Fetch-Site",
                            "same-origin"))
            .isEqualTo(200);
        assertThat(status(open, "GET", "/running", "Origin", "http://127.0.0.1:" + open.port))
            .isEqualTo(200);
        assertThat(
                        Running.send(open.request("/v1/models").header("Origin", "https://x").GET())
                            .headers()
                            .firstValue("access-control-allow-origin"))
            .contains("https://x");
    }

    @Test void aControlRequestOfABrowserNamesThisServerByAPrivateName() throws Exception {
        String request =
            "GET /running HTTP/1.1\r\n"
                + "Connection: close\r\n"
                + "Origin: http://%1$s\r\n"
                + "Sec-Fetch-Site: same-origin\r\n"
                + "Host: %1$s\r\n\r\n";
        for (String host :
            List.of(
                "localhost:1",
                "127.0.0.1",
                "[::1]:5",
                "gpubox",
                "gpubox.local",
                "192.168.1.2:8080")) {
            assertThat(open.raw(String.format(request, host))).as(host).startsWith("HTTP/1.1 200");
        }
        for (String host : List.of("evil.example", "a.b.c:80", "1.2.3.4.evil.example")) {
            assertThat(open.raw(String.format(request, host))).as(host).startsWith("HTTP/1.1 403");
        }
    }

    @Test void preflight() {
        HttpResponse<String> answer =
            Running.send(
                open.request("/v1/chat/completions")
                    .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                    .header("Access-Control-Request-Headers", "x-one, Two"));
        assertThat(answer.statusCode()).isEqualTo(204);
        assertThat(answer.headers().firstValue("access-control-allow-headers"))
            .contains("x-one, Two");
        assertThat(answer.headers().firstValue("access-control-allow-methods"))
            .contains("GET, POST, PUT, PATCH, DELETE, OPTIONS");
        answer =
            Running.send(
                open.request("/")
                    .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                    .header("Access-Control-Request-Headers", "a b\tc"));
        assertThat(answer.headers().firstValue("access-control-allow-headers"))
            .contains("Content-Type, Authorization, Accept, X-Requested-With");
    }
}
