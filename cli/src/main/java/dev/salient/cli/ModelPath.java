package dev.salient.cli;

import dev.salient.hub.HubCache;
import dev.salient.hub.ModelName;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.ITypeConverter;

/** Reads where a model is: a path, or the name {@code ORG/NAME[@revision]} of one that {@code pull} fetched. */
public final class ModelPath implements ITypeConverter<Path> {
    @Override
    public Path convert(String text) throws IOException {
        return find(text, HubFolder.cache());
    }

    /** Reads where several are. */
    static List<Path> findAll(List<String> texts) throws IOException {
        List<Path> paths = new ArrayList<>();
        for (String text : texts) {
            paths.add(find(text, HubFolder.cache()));
        }
        return paths;
    }

    /** What is there wins over what may be a name. */
    static Path find(String text, HubCache cache) throws IOException {
        if (Files.exists(Path.of(text)) || !ModelName.isOne(text)) {
            return Path.of(text);
        }
        Path folder = cache.find(ModelName.parse(text));
        if (folder == null) {
            throw new NotHereException(text);
        }
        return folder;
    }

    /** Neither a path nor a model that was fetched. */
    static final class NotHereException extends IOException {
        private static final long serialVersionUID = 1;

        private final String name;

        NotHereException(String name) {
            super(name + ": got no such file or folder, and no model of this name in the cache");
            this.name = name;
        }

        /** What to do. */
        String hint() {
            return "salient pull " + name + " fetches it";
        }
    }
}
