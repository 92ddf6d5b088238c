package dev.salient.train;

/** Two neighbouring tokens that become one; ordered by the ids of both. */
public record Merge(int left, int right) implements Comparable<Merge> {
    @Override
    public int compareTo(Merge other) {
        return left != other.left ? Integer.compare(left, other.left) : Integer.compare(right, other.right);
    }
}
