package dev.salient.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Fetches models from a hub into the cache.
 *
 * <pre>{@code
 * ModelHub hub = new ModelHub(HubSettings.of(System.getenv(), Path.of(System.getProperty("user.home"))));
 * PulledModel model = hub.pull(ModelName.parse("ORG/NAME"), List.of(), listener);
 * Checkpoint checkpoint = Checkpoints.open(model.source());
 * }</pre>
 */
public final class ModelHub {
    /** Files that are fetched at once. */
    private static final int PARALLEL = 4;

    private final HubSettings settings;
    private final HubCache cache;

    public ModelHub(HubSettings settings) {
        this.settings = settings;
        cache = settings.cache();
    }

    /**
     * Fetches what of a model is not in the cache yet.
     *
     * @param patterns names or globs of the files to fetch; none is what running the model needs
     * @throws HubException where the hub does not give it, with what to do about that
     */
    public PulledModel pull(ModelName name, List<String> patterns, PullListener listener)
            throws IOException, InterruptedException {
        URI endpoint = settings.endpoint();
        if (endpoint == null) {
            return fromCache(name, patterns);
        }
        try (HubConnection hub = new HubConnection(endpoint, settings, name)) {
            RemoteModel remote = RemoteModel.read(name, hub.describe(listener));
            if (RemoteModel.isCommit(name.revision()) && !name.revision().equals(remote.commit())) {
                throw HubException.refused(
                        "%s: got commit %s from %s".formatted(name, remote.commit(), hub.host()), null);
            }
            List<RemoteFile> files = chosen(name, remote, patterns);
            long bytes = new Pull(hub, name, remote.commit(), listener).pull(files);
            cache.writeRef(name, remote.commit());
            return pulled(
                    name, remote.commit(), files.stream().map(RemoteFile::path).toList(), bytes);
        }
    }

    private PulledModel fromCache(ModelName name, List<String> patterns) throws IOException {
        Path folder = cache.find(name);
        if (folder == null) {
            throw HubException.refused(
                    "%s: got no such model in %s, and HF_HUB_OFFLINE is set".formatted(name, cache.root()),
                    "unset it to fetch the model");
        }
        Set<String> paths = new FileChoice(folder.toString(), HubCache.files(folder)).choose(patterns);
        return pulled(name, String.valueOf(folder.getFileName()), List.copyOf(paths), 0);
    }

    private PulledModel pulled(ModelName name, String commit, List<String> paths, long bytes) {
        return new PulledModel(
                commit,
                cache.snapshot(name, commit),
                paths.stream().map(path -> cache.file(name, commit, path)).toList(),
                bytes);
    }

    private static List<RemoteFile> chosen(ModelName name, RemoteModel remote, List<String> patterns)
            throws HubException {
        Map<String, Long> sizes = new TreeMap<>();
        remote.files().forEach(file -> sizes.put(file.path(), file.bytes()));
        Set<String> paths = new FileChoice(name.toString(), sizes).choose(patterns);
        return remote.files().stream()
                .filter(file -> paths.contains(file.path()))
                .toList();
    }

    /** One pull of one commit. */
    private final class Pull {
        private final HubConnection hub;
        private final ModelName name;
        private final String commit;
        private final PullListener listener;

        Pull(HubConnection hub, ModelName name, String commit, PullListener listener) {
            this.hub = hub;
            this.name = name;
            this.commit = commit;
            this.listener = listener;
        }

        /** Returns the bytes that were fetched. A cache that has all of them may be read-only. */
        long pull(List<RemoteFile> files) throws IOException, InterruptedException {
            List<RemoteFile> missing = new ArrayList<>();
            for (RemoteFile file : files) {
                if (!cache.holds(name, commit, file)) {
                    missing.add(file);
                }
            }
            if (missing.isEmpty()) {
                return 0;
            }
            try (FileChannel lock = cache.lock(name, listener)) {
                long bytes = fetch(missing);
                for (RemoteFile file : missing) { // when all are here: no half of a model is found by its name
                    cache.link(name, commit, file);
                }
                return bytes;
            }
        }

        private long fetch(List<RemoteFile> files) throws IOException, InterruptedException {
            Map<BlobId, RemoteFile> blobs = new LinkedHashMap<>(); // two files may have one content
            long total = 0;
            long here = 0;
            for (RemoteFile file : files) {
                if (!cache.holdsBlob(name, file) && blobs.put(file.id(), file) == null) {
                    total += Math.min(file.bytes(), Long.MAX_VALUE - total); // lengths are only what the hub says
                    here += Download.usableBytes(cache.part(name, file.id()), file);
                }
            }
            cache.requireSpace(name, total - here);
            listener.onStart(total, here);
            AtomicLong fetched = new AtomicLong();
            inParallel(new ArrayList<>(blobs.values()), counting(fetched));
            return fetched.get();
        }

        private PullListener counting(AtomicLong fetched) {
            return new PullListener() {
                @Override
                public void onStart(long bytes, long here) {
                    listener.onStart(bytes, here);
                }

                @Override
                public void onBytes(long bytes) {
                    fetched.addAndGet(Math.max(0, bytes));
                    listener.onBytes(bytes);
                }

                @Override
                public void onNote(String line) {
                    listener.onNote(line);
                }
            };
        }

        private void inParallel(List<RemoteFile> files, PullListener counting)
                throws IOException, InterruptedException {
            files.sort(Comparator.comparingLong(RemoteFile::bytes).reversed());
            try (ExecutorService workers = Executors.newFixedThreadPool(PARALLEL)) {
                CompletionService<Void> done = new ExecutorCompletionService<>(workers);
                for (RemoteFile file : files) {
                    done.submit(() -> {
                        fetch(file, counting);
                        return null;
                    });
                }
                try {
                    for (int i = 0; i < files.size(); i++) {
                        done.take().get();
                    }
                } catch (ExecutionException e) {
                    throw unwrapped(e);
                } finally {
                    workers.shutdownNow(); // where one file can't be had, the others need not go on
                }
            }
        }

        private void fetch(RemoteFile file, PullListener counting) throws IOException, InterruptedException {
            Retries retries = new Retries(file.path(), settings.network().pauses(), counting);
            new Download(hub, hub.fileUri(commit, file.path()), file, counting)
                    .into(cache.part(name, file.id()), cache.blob(name, file.id()), retries);
        }

        private static IOException unwrapped(ExecutionException e) throws InterruptedException {
            return switch (e.getCause()) {
                case IOException failure -> failure;
                case InterruptedException interrupted -> throw interrupted;
                case RuntimeException failure -> throw failure;
                case Error failure -> throw failure;
                case null, default -> new IOException(e);
            };
        }
    }
}
