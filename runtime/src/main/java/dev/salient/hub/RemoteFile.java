package dev.salient.hub;

import static dev.salient.tensor.Preconditions.require;

/**
 * A file of a model on a hub.
 *
 * @param path below the model's folder; never leads out of it
 * @param bytes its length
 */
record RemoteFile(String path, long bytes, BlobId id) {
    RemoteFile {
        require(Plain.isPath(path), "%s: got a path that leaves the folder", Plain.text(path));
        require(bytes >= 0, "%s: got %d bytes", Plain.text(path), bytes);
    }
}
