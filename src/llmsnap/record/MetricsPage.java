package llmsnap.record;

import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.math.BigDecimal;

/** A page in Prometheus's text format 0.0.4: metrics, each with its samples behind it. */
public final class MetricsPage {
    public static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

    private final StringBuilder text = new StringBuilder();
    private String metric;

    /** Begins a metric. @param type counter, gauge or histogram */
    public void metric(String type, String name, String help) {
        metric = name;
        text.append("# HELP %s %s\n# TYPE %1$s %s\n".formatted(name, help, type));
    }

    /** A sample of the last metric, with names and values of labels. */
    public void sample(double value, String... labels) {
        sampleOf("", value, labels);
    }

    /** The same, of one of the parts that a histogram has. */
    void sampleOf(String part, double value, String... labels) {
        text.append(metric).append(part);
        for (int i = 0; i < labels.length; i += 2) {
            String label = labels[i] + "=\"" + quoted(labels[i + 1]) + "\"";
            text.append(i == 0 ? '{' : ',').append(label);
        }
        if (labels.length > 0) text.append('}');
        text.append(" " + number(value) + "\n");
    }

    private static String quoted(String value) {
        return value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    }

    static String number(double value) {
        return new BigDecimal(String.valueOf(value)).stripTrailingZeros().toPlainString();
    }

    /** The memory of this process. */
    public void jvm() {
        MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
        MemoryUsage other = ManagementFactory.getMemoryMXBean().getNonHeapMemoryUsage();
        metric("gauge", "jvm_memory_used_bytes", "Memory of the Java virtual machine in use.");
        sample(heap.getUsed(), "area", "heap");
        sample(other.getUsed(), "area", "nonheap");
        metric("gauge", "jvm_memory_committed_bytes",
            "Memory that the Java virtual machine holds.");
        sample(heap.getCommitted(), "area", "heap");
        sample(other.getCommitted(), "area", "nonheap");
        metric("gauge", "jvm_memory_max_bytes", "What the heap may grow to.");
        sample(heap.getMax(), "area", "heap");
        metric("gauge", "process_start_time_seconds",
            "When the process started, in seconds since 1970.");
        sample(ManagementFactory.getRuntimeMXBean().getStartTime() / 1000.0);
    }

    @Override public String toString() {
        return text.toString();
    }
}
