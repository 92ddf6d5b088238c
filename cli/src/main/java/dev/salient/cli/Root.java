package dev.salient.cli;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;

/** The program's name, help and version; its commands are added by {@link Program}. */
@Command(
        name = "salient",
        header = "Makes language models very small, and runs them, on the JVM.",
        synopsisHeading = "%nUsage: ",
        commandListHeading = "%nRun and measure models:%n",
        customSynopsis = "salient COMMAND ...",
        versionProvider = Root.Version.class,
        sortOptions = false)
final class Root {
    /** Commands of the make half, for people who look at the help where only the run half is loaded. */
    static final Map<String, String> MAKE_COMMANDS = Map.of(
            "quantize", "Make a model of 2 to 4 bits of a model.",
            "demo", "Quantize the embedded model, show what it cost, let it speak.",
            "saliency", "Draw which weights matter to the loss.",
            "sweep", "Make and measure many models by a recipe.",
            "tune", "Tune a quantized model end to end.",
            "train", "Train a small model from scratch.");

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help; salient COMMAND --help shows a command's.")
    private boolean help;

    @Option(names = "--version", versionHelp = true, description = "Show the version.")
    private boolean version;

    boolean asked() {
        return help || version;
    }

    /** The version that the build wrote into the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = find();
            return new String[] {"salient " + (version == null ? "(development)" : version)};
        }

        /** The version, or null where the program runs from class files. */
        static @Nullable String find() {
            return Root.class.getPackage().getImplementationVersion();
        }
    }
}
