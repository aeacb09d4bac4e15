#!/usr/bin/env bash
# The first lesson from end to end: recordings -> practice -> a tune, a timbre transfer, a report.
# usage: demo.sh FOLDER   (needs the `amadeus` command on PATH; FOLDER is made anew)
set -euo pipefail
examples=$(cd "$(dirname "$0")" && pwd)
demo=${1:?usage: demo.sh FOLDER}

rm -rf "$demo"
mkdir -p "$demo"
export AMADEUS_HOME=$demo/home

set -x
amadeus deu create cello
amadeus listen "$examples/cello"
amadeus practice imitate cello "$examples/cello" --minutes "${DEMO_MINUTES:-1}" --seed 1
amadeus perform cello "$examples/ode.mid" -o "$demo/ode.wav"
amadeus perform cello "$examples/humming.flac" -o "$demo/humming-as-cello.wav"
amadeus report cello -o "$demo/report.html"
amadeus lineage cello > "$demo/lineage.txt"
{ set +x; } 2>/dev/null

echo
echo "The demo is in $demo:"
echo "  ode.wav               a tune, played by the voice that has just been taught"
echo "  humming-as-cello.wav  examples/humming.flac, sung by the cello"
echo "  report.html           the practice, to read and to hear; open it in a browser"
echo "  lineage.txt           where the voice comes from"
