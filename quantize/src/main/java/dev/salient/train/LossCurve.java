package dev.salient.train;

import java.util.ArrayList;
import java.util.List;

/** How the loss went, in nats per token. */
public record LossCurve(List<Point> points) {
    public LossCurve {
        points = List.copyOf(points);
    }

    /**
     * A look at the losses.
     *
     * @param step steps done
     * @param training mean over the steps since the last look
     * @param heldOut on text that the model never learns from
     */
    public record Point(int step, double training, double heldOut) {}

    /** This curve and one more point. */
    public LossCurve with(Point point) {
        List<Point> more = new ArrayList<>(points);
        more.add(point);
        return new LossCurve(more);
    }

    /** The last look. */
    public Point last() {
        return points.getLast();
    }
}
