package llmsnap.http.proxy;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Peer;
import llmsnap.http.server.Failure;

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
        boolean last) {
    /**
     * Where a peer answers. The JDK's client refuses host names with an underscore: see to them.
     *
     * @throws Failure 502 when there is no such host
     */
    static Upstream of(Peer peer, boolean trusted, boolean last) throws Failure {
        Address address = peer.proxy();
        String name = "the peer \"" + peer.id() + "\" (" + address + ")";
        String url = address.toString();
        String host = null;
        if (address.host().contains("_")) {
            try {
                url = address.at(InetAddress.getByName(address.host()).getHostAddress());
                host = address.authority();
            } catch (UnknownHostException e) {
                throw new Failure(502, name + " cannot be found: there is no host "
                    + address.host());
            }
        }
        return new Upstream(URI.create(url), host, name, peer.apiKey(), trusted, last);
    }
}
