package dev.salient.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;

/**
 * The compiled tokenizers library, taken out of its jar into the user's cache and loaded once.
 *
 * <p>DJL's own loader is left out: where it sees a GPU it looks for another build on the network, and it logs.
 */
final class NativeLibrary {
    private NativeLibrary() {}

    /** The functions of the loaded library. */
    static TokenizersLibrary functions() {
        return Loaded.FUNCTIONS;
    }

    /** Loads on first use, once for each class loader. */
    @SuppressWarnings("restricted")
    private static final class Loaded {
        static final TokenizersLibrary FUNCTIONS = load();

        private static TokenizersLibrary load() {
            try {
                for (String file : files()) {
                    System.load(extract(file).toString());
                }
            } catch (IOException e) {
                throw new IllegalStateException("tokenizers library: " + e.getMessage(), e);
            }
            return TokenizersLibrary.LIB;
        }
    }

    private static String system() {
        String name = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        return name.contains("win") ? "win" : name.contains("mac") ? "osx" : "linux";
    }

    private static String platform() {
        String arch = System.getProperty("os.arch", "");
        return system() + "-" + (arch.equals("amd64") ? "x86_64" : arch);
    }

    private static List<String> files() {
        return switch (system()) {
            case "win" -> List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", "tokenizers.dll");
            case "osx" -> List.of("libtokenizers.dylib");
            default -> List.of("libtokenizers.so");
        };
    }

    private static Path extract(String file) throws IOException {
        String resource = "native/lib/" + platform() + "/cpu/" + file;
        URL url = TokenizersLibrary.class.getClassLoader().getResource(resource);
        if (url == null) {
            throw new IOException("got platform " + platform() + ", want linux-x86_64, linux-aarch64, osx-aarch64"
                    + " or win-x86_64");
        }
        Path target = folder().resolve(file);
        if (!Files.exists(target) || Files.size(target) != url.openConnection().getContentLengthLong()) {
            Path part = Files.createTempFile(target.getParent(), file, ".part");
            try (InputStream in = url.openStream()) {
                Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
                Files.move(part, target, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(part);
            }
        }
        return target;
    }

    /** The user's cache folder, or a temporary one where that cannot be written. */
    private static Path folder() throws IOException {
        Path folder = cache().resolve("salient").resolve("tokenizers");
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            return Files.createTempDirectory("salient-tokenizers");
        }
        return Files.isWritable(folder) ? folder : Files.createTempDirectory("salient-tokenizers");
    }

    private static Path cache() {
        Path home = Path.of(System.getProperty("user.home", "."));
        String xdg = System.getenv("XDG_CACHE_HOME");
        String local = System.getenv("LOCALAPPDATA");
        return switch (system()) {
            case "win" -> local == null ? home.resolve("AppData").resolve("Local") : Path.of(local);
            case "osx" -> home.resolve("Library").resolve("Caches");
            default -> xdg == null || xdg.isEmpty() ? home.resolve(".cache") : Path.of(xdg);
        };
    }
}
