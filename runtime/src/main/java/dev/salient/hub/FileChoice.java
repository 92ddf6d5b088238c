package dev.salient.hub;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;

/**
 * Which files of a model are fetched: those that running it needs, and never one that can run code when it is read.
 *
 * @param place begins every message
 * @param sizes the length of each file, by its path
 */
record FileChoice(String place, Map<String, Long> sizes) {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";
    static final String GGUF = ".gguf";

    private static final int MAX_LISTED = 40;

    private static final Pattern SHARD = Pattern.compile("model-\\d+-of-\\d+\\.safetensors");
    private static final Pattern PICKLE = Pattern.compile(".*\\.(bin|pt|pth|ckpt|pkl|pickle)");
    private static final Pattern PART = Pattern.compile(".*-\\d{5}-of-\\d{5}\\.gguf");
    /** GGUF files that are no models: projectors of images, imatrices, adapters. */
    private static final Pattern BESIDE = Pattern.compile(".*(mmproj|imatrix|\\.lora\\.).*");

    private static final Pattern USUAL = Pattern.compile(".*[-._]q4_k_m[-._].*");

    /** What lies beside safetensors: sizes, vocabulary, templates, adapter, keys and values of first tokens, terms. */
    private static final Set<String> SMALL = Set.of(
            "config.json",
            "generation_config.json",
            "quantize_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "tokenizer.model",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt",
            "chat_template.jinja",
            "chat_template.json",
            "adapter/adapter_config.json",
            "adapter/adapter_model.safetensors",
            "adapter_config.json",
            "adapter_model.safetensors",
            "intact_kv.safetensors",
            "README.md");

    private static final Pattern TERMS = Pattern.compile("(LICENSE|LICENCE|NOTICE|USE_POLICY|COPYING)[^/]*");

    /** @param patterns names or globs that the user gave; none is what running the model needs */
    Set<String> choose(List<String> patterns) throws HubException {
        if (!patterns.isEmpty()) {
            Set<String> chosen = new TreeSet<>();
            for (String pattern : patterns) {
                chosen.addAll(matching(pattern));
            }
            return chosen;
        }
        if (sizes.containsKey(SINGLE) || sizes.containsKey(INDEX)) {
            boolean single = sizes.containsKey(SINGLE);
            return those(path -> SMALL.contains(path)
                    || TERMS.matcher(path).matches()
                    || (single
                            ? path.equals(SINGLE)
                            : path.equals(INDEX) || SHARD.matcher(path).matches()));
        }
        return Set.of(gguf());
    }

    private Set<String> those(Predicate<String> wanted) {
        return sizes.keySet().stream().filter(wanted).collect(Collectors.toCollection(TreeSet::new));
    }

    private Set<String> matching(String pattern) throws HubException {
        PathMatcher glob;
        try {
            glob = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException("--file: got %s, want a name or a glob".formatted(pattern), e);
        }
        Set<String> found = those(path -> {
            Path file = Path.of(path);
            return path.equals(pattern) || glob.matches(pattern.contains("/") ? file : file.getFileName());
        });
        if (found.isEmpty()) {
            throw HubException.refused(
                    "%s: got no file like %s; it has %s"
                            .formatted(place, pattern, listed(those(path -> !isPickle(path)))),
                    null);
        }
        for (String path : found) {
            if (isPickle(path)) {
                throw pickle(path);
            }
        }
        return found;
    }

    private static boolean isPickle(String path) {
        return PICKLE.matcher(path.toLowerCase(Locale.ROOT)).matches();
    }

    /** The only GGUF file that is a model, or the one of the usual type among several. */
    private String gguf() throws HubException {
        Set<String> all = those(path -> path.toLowerCase(Locale.ROOT).endsWith(GGUF));
        if (all.isEmpty()) {
            throw noModel();
        }
        Set<String> models = those(path -> all.contains(path)
                && !BESIDE.matcher(path.toLowerCase(Locale.ROOT)).matches()
                && !PART.matcher(path).matches());
        Set<String> usual = models.size() == 1
                ? models
                : those(path -> models.contains(path)
                        && USUAL.matcher(path.toLowerCase(Locale.ROOT)).matches());
        if (usual.size() == 1) {
            return usual.iterator().next();
        }
        throw HubException.refused(
                "%s: got %d .gguf files, want --file with one of them: %s".formatted(place, all.size(), listed(all)),
                null);
    }

    private HubException noModel() {
        for (String path : those(FileChoice::isPickle)) {
            return pickle(path);
        }
        return HubException.refused(
                "%s: got no model in it, want %s, %s or a .gguf file".formatted(place, SINGLE, INDEX), null);
    }

    private HubException pickle(String path) {
        return HubException.refused(
                "%s: got %s, a pickle, which can run code when read; want safetensors or GGUF".formatted(place, path),
                "look for a copy of the model that has them");
    }

    private String listed(Set<String> paths) {
        String shown = paths.stream()
                .limit(MAX_LISTED)
                .map(path -> "%s (%s)".formatted(path, Plain.bytes(sizes.getOrDefault(path, 0L))))
                .collect(Collectors.joining(", "));
        return paths.size() > MAX_LISTED ? shown + " and %d more".formatted(paths.size() - MAX_LISTED) : shown;
    }
}
