package dev.salient.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What a hub says about a model at a revision. Nothing of it is believed before it is checked.
 *
 * @param commit 40 hexadecimal digits
 */
record RemoteModel(String commit, List<RemoteFile> files) {
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    RemoteModel {
        files = List.copyOf(files);
    }

    /** Whether a text is the name of a commit in full. */
    static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    /**
     * Reads the answer of {@code /api/models/ORG/NAME/revision/REVISION?blobs=true}.
     *
     * @throws FormatException where it is no such answer, or names a path out of the folder
     */
    static RemoteModel read(ModelName name, byte[] json) throws IOException {
        JsonObject object = JsonObject.parse(name.repository() + ": the hub's answer", json);
        String commit = object.expectString("sha");
        if (!isCommit(commit)) {
            throw object.wrong("sha", "40 hexadecimal digits");
        }
        JsonNode siblings = object.find("siblings");
        if (siblings == null || !siblings.isArray()) {
            throw object.wrong("siblings", "the list of files");
        }
        List<RemoteFile> files = new ArrayList<>();
        Set<String> paths = new HashSet<>();
        for (JsonNode sibling : siblings) {
            RemoteFile file = file(name, sibling);
            if (!paths.add(file.path())) {
                throw new FormatException("%s: %s: got it twice", name.repository(), Plain.text(file.path()));
            }
            files.add(file);
        }
        return new RemoteModel(commit, files);
    }

    private static RemoteFile file(ModelName name, JsonNode sibling) throws FormatException {
        String path = sibling.path("rfilename").asText();
        if (!Plain.isPath(path)) {
            throw new FormatException(
                    "%s: %s: got a path that leaves the folder, want none", name.repository(), Plain.text(path));
        }
        JsonNode large = sibling.path("lfs");
        JsonNode bytes = large.isObject() ? large.path("size") : sibling.path("size");
        String hex = (large.isObject() ? large.path("sha256") : sibling.path("blobId")).asText();
        if (!bytes.isIntegralNumber() || !bytes.canConvertToLong() || bytes.longValue() < 0 || !BlobId.isOne(hex)) {
            throw new FormatException("%s: %s: got no size and hash, want both", name.repository(), Plain.text(path));
        }
        return new RemoteFile(path, bytes.longValue(), new BlobId(hex));
    }
}
