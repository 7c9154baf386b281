package llmsnap.http.server;

import com.sun.net.httpserver.Headers;
import java.util.Arrays;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What pages of other sites are told of what they may read and send. */
public final class Cors {
    private static final String USUAL = "Content-Type, Authorization, Accept, X-Requested-With";
    private static final int MAX_NAMES = 2_000;
    private static final Pattern TOKEN = Pattern.compile("[!#$%&'+.^_`|~0-9A-Za-z-]+");

    private Cors() {}

    /** Any page may ask what it may send; what it may do is decided when it does. */
    static void answerPreflight(Exchange exchange) throws Failure {
        String allowed = valid(exchange.headerText("Access-Control-Request-Headers"));
        if (allowed.isEmpty() || allowed.length() > MAX_NAMES) allowed = USUAL;
        Headers headers = exchange.responseHeaders();
        headers.set("Access-Control-Allow-Origin", "*");
        headers.set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.set("Access-Control-Allow-Headers", allowed);
        headers.set("Access-Control-Max-Age", "86400");
        if (exchange.header("Access-Control-Request-Private-Network") != null) {
            headers.set("Access-Control-Allow-Private-Network", "true");
        }
        exchange.commit(204, 0);
    }

    /** The names of a list that are names of headers. */
    private static String valid(String list) {
        return Arrays.stream(list.split(",")).map(String::strip)
            .filter(name -> TOKEN.matcher(name).matches())
            .filter(name -> !name.equalsIgnoreCase(Exchange.OWN_PAGE))
            .collect(Collectors.joining(", "));
    }

    /** The page that asks may read the answer. */
    static void allow(Exchange exchange) {
        String origin = exchange.header("Origin");
        boolean echoed = origin != null && Failure.shown(origin).equals(origin);
        if (echoed) exchange.responseHeaders().set("Access-Control-Allow-Origin", origin);
    }
}
