/* lanes_baseline.c: the loops of programs of numbers for every machine. */
#define MG_LANE_SET lanes_baseline
#define MG_LANE_SET_NAME "baseline"
#define MG_LANES 2
#include "programs/lanes.inc.c"
