package dev.salient.cli;

import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** Runs commands as steps of another one, on its console. */
public final class Steps {
    private Steps() {}

    /**
     * Runs one command.
     *
     * @param arguments the command's name first, as on the command line
     */
    public static void run(Console console, List<String> arguments) throws Exception {
        CommandLine program = Program.commandLine();
        ParseResult parsed = program.parseArgs(arguments.toArray(String[]::new));
        CommandLine chosen = parsed.subcommand().commandSpec().commandLine();
        if (chosen.getCommand() instanceof Command command) {
            command.run(console.withoutResults());
        }
    }

    /** Checks the options of a command without running it. */
    public static void check(List<String> arguments) {
        Program.commandLine().parseArgs(arguments.toArray(String[]::new));
    }
}
