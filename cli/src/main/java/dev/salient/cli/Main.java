package dev.salient.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicBoolean;

/** The program's start and its only exit. */
public final class Main {
    private Main() {}

    /** Runs one command line; the exit status is 0, 2 for bad input, 1 for a failure of ours, 130 when interrupted. */
    public static void main(String[] arguments) {
        Streams streams = Streams.ofProcess(System.getenv());
        System.setErr(streams.err());
        Program program = new Program(streams);
        AtomicBoolean done = new AtomicBoolean();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            program.close();
            if (!done.get()) {
                leave(Failure.INTERRUPTED);
            }
        }));
        int status = program.run(arguments);
        done.set(true);
        System.exit(status);
    }

    /**
     * Ends the process without the C library's farewell: C++ libraries would take their data down while threads of ours still compute
     * in them, and the last that a user sees of a run that can be resumed would be a crash.
     */
    @SuppressWarnings("restricted") // the one call that the JVM has no method for
    private static void leave(int status) {
        Linker linker = Linker.nativeLinker();
        linker.defaultLookup().find("_exit").ifPresent(exit -> {
            try {
                linker.downcallHandle(exit, FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT))
                        .invokeExact(status);
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
        });
    }
}
