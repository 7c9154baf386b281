package llmsnap.http.proxy;

import java.net.URI;

/**
 * A server that requests are sent on to.
 *
 * @param host for the Host header, null to derive it
 * @param name in sentences
 * @param apiKey may be ""
 * @param last all that it answers is an answer; else another may be asked when it has no time
 * @param trusted its pages are shown as ours; else they get an origin of their own
 */
record Upstream(URI base, String host, String name, String apiKey, boolean trusted,
        boolean last) {}
