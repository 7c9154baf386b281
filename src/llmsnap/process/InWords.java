package llmsnap.process;

import java.io.IOException;
import llmsnap.platform.Proc;

/** What became of a process, in words. */
final class InWords {
    private static final int FIRST_SIGNAL_STATUS = 128;
    private static final int SIGNALS = 64;

    private InWords() {}

    /** Why a program cannot be started. */
    static String reason(IOException e, String program) {
        String said = String.valueOf(e.getMessage());
        if (said.matches("(?s).*error[=:] ?2\\b.*")) {
            return "there is no program \"" + program
                + "\"; is it installed, and is its full path in cmd?";
        }
        boolean forbidden = said.matches("(?s).*error[=:] ?13\\b.*");
        return forbidden ? "\"" + program + "\" may not be executed" : said;
    }

    /** How a process ended. @param ready whether it had become so */
    static String end(int code, boolean ready) {
        boolean signalled = code > FIRST_SIGNAL_STATUS && code <= FIRST_SIGNAL_STATUS + SIGNALS;
        int signal = code - FIRST_SIGNAL_STATUS;
        String how = signalled ? "was ended by signal " + signal + signalName(signal)
            : "exited with code " + code;
        boolean gone = code == 0 && !ready;
        return gone ? how + "; the command must stay in the foreground (no & and no docker -d)"
            : how;
    }

    private static String signalName(int signal) {
        return switch (signal) {
            case 6 -> " (SIGABRT)";
            case 9 -> " (SIGKILL: when nobody did that, the machine was out of memory)";
            case 11 -> " (SIGSEGV)";
            case 15 -> " (SIGTERM)";
            default -> "";
        };
    }

    /** Whether one is known to listen there that no llmsnap has started. */
    static boolean isStranger(int port) {
        long pid = Proc.listener(port);
        return pid != 0 && !Proc.environment(pid).contains(ProcessTree.MODEL);
    }

    /** Who listens on a port. */
    static String holder(int port) {
        long pid = Proc.listener(port);
        if (pid == ProcessHandle.current().pid()) return "llmsnap itself (--listen)";
        String environment = pid == 0 ? "" : Proc.environment(pid);
        String who = ProcessTree.describe(pid, environment);
        if (environment.contains(ProcessTree.MODEL)) return who;
        return "another program" + (pid == 0 ? "" : " (" + who + ")");
    }
}
