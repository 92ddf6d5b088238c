package dev.salient.cli;

/** The program's start and its only exit. */
public final class Main {
    private Main() {}

    /** Runs one command line; the exit status is 0, 2 for bad input, 1 for a failure of ours, 130 when interrupted. */
    public static void main(String[] arguments) {
        Streams streams = Streams.ofProcess(System.getenv());
        System.setErr(streams.err());
        Program program = new Program(streams);
        // On Ctrl-C the JVM runs this and exits with 130 by itself.
        Runtime.getRuntime().addShutdownHook(new Thread(program::close));
        System.exit(program.run(arguments));
    }
}
