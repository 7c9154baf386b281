/**
 * One jar, the JDK alone. `java -jar` ignores this file: it is here so that the compiler refuses
 * any other dependency.
 */
module llmsnap {
    requires jdk.httpserver;    // com.sun.net.httpserver, the server
    requires java.net.http;     // HttpClient, towards the models
    requires jdk.management;    // HotSpotDiagnosticMXBean, to give heap back while idle
    // sun.misc.Signal: exit status 0 on SIGTERM, a second signal, SIGHUP
    requires jdk.unsupported;

    provides System.LoggerFinder with llmsnap.platform.QuietJdk;
}
