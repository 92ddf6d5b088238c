#!/usr/bin/env bash
# The kernels by JMH: nanoseconds for each weight and token of a product, by grid, activations and number of tokens.
#
#   kernels.sh [JMH options]     e.g. kernels.sh -p grid=Q2_0,Q4_0 ; all of it takes some minutes
#
# Needs JAVA_HOME to be a JDK 25 or newer, and Maven.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
(cd "$root" && mvn -q -B -P bench -Dmaven.test.skip=true package -pl bench/kernels -am >&2)
target=$root/bench/kernels/target
exec "${JAVA_HOME:?a JDK 25 or newer}/bin/java" -cp "$(echo "$target"/salient-bench-kernels-*.jar):$target/lib/*" \
    org.openjdk.jmh.Main "$@"
