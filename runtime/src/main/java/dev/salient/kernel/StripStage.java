package dev.salient.kernel;

import jdk.incubator.vector.FloatVector;

/** One plane of a strip as kernels take it, and the sums of its rows; one member's own. */
final class StripStage {
    /** Codes of the plane. */
    byte[] codes = new byte[0];
    /** Where the strip begins in them. */
    int at;
    /** Segments of a row. */
    int segments;
    /** Positions of a segment. */
    int positions;
    /** What is subtracted from every code. */
    float zero;
    /** Whether it is the plane of the high bits. */
    boolean onTop;
    /** Whether groups have offsets. */
    boolean hasOffsets;
    /** [32], the rows' products so far. */
    final float[] sums = new float[Strips.ROWS];

    /** The sum of what {@link Strips#touch} has read, so that C2 does not leave the reading out. */
    int touched;

    private short[] scales = new short[0];
    /** Where the strip begins in scales and offsets. */
    private int scalesAt;
    /** What the plane's codes count. */
    private float unit;

    private short[] minima = new short[0];
    private float minimumUnit;
    private byte[] zeros = new byte[0];

    /** Moves to a strip's plane. */
    void move(Strips strips, int strip, int plane) {
        Plane layout = strips.plane(plane);
        codes = strips.codes(plane);
        at = strip * strips.stripBytes(plane);
        segments = strips.segments();
        positions = strips.segmentSize() / layout.columns();
        zero = strips.zero(plane);
        hasOffsets = strips.hasOffsets(plane);
        scales = strips.scales();
        scalesAt = strip * segments * Strips.ROWS;
        unit = strips.unit(plane);
        minima = strips.minima();
        minimumUnit = strips.minimumUnit();
        onTop = plane > 0;
        zeros = strips.zeros();
    }

    /** Scales of some rows, times the plane's unit: {@code place} is 32 times the segment plus the first row. */
    FloatVector scale(int place) {
        return Lanes.halves(scales, scalesAt + place, unit);
    }

    /** Offsets of some rows, where there are any. */
    FloatVector offset(int place) {
        if (minima.length > 0) {
            return Lanes.halves(minima, scalesAt + place, minimumUnit);
        }
        return Lanes.floats(Lanes.signed(zeros, scalesAt + place))
                .mul(scale(place))
                .neg();
    }
}
