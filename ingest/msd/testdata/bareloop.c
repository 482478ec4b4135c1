/*
 * bareloop opens each MSD song file named on standard input (one path a line),
 * reads the eight feature arrays, or with "all" all fifteen of /analysis, with
 * H5Dread and prints the number of files, the number of values and the CPU
 * seconds used. It checks nothing, so it is
 * the floor that package msd's reader is measured against.
 *
 *	cc -O2 -o bareloop bareloop.c -I/usr/include/hdf5/serial -lhdf5_serial
 *	find songs -name '*.h5' | ./bareloop [PASSES [all]]
 */
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *names[15] = {
	"/analysis/bars_start", "/analysis/beats_start", "/analysis/sections_start",
	"/analysis/segments_loudness_max", "/analysis/segments_loudness_max_time",
	"/analysis/segments_loudness_start", "/analysis/segments_start", "/analysis/tatums_start",
	/* and the others: */
	"/analysis/bars_confidence", "/analysis/beats_confidence", "/analysis/sections_confidence",
	"/analysis/segments_confidence", "/analysis/segments_pitches", "/analysis/segments_timbre",
	"/analysis/tatums_confidence",
};

static double *buf;
static size_t cap;

static long long read_array(hid_t file, const char *name)
{
	hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
	hid_t space = H5Dget_space(set);
	hssize_t n = H5Sget_simple_extent_npoints(space);

	if (n < 0) {
		fprintf(stderr, "bareloop: cannot read %s\n", name);
		exit(1);
	}
	if ((size_t)n > cap) {
		cap = (size_t)n * 2;
		buf = realloc(buf, cap * sizeof *buf);
	}
	if (n > 0)
		H5Dread(set, H5T_IEEE_F64LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, buf);
	H5Sclose(space);
	H5Dclose(set);
	return n;
}

int main(int argc, char **argv)
{
	static char paths[100000][512];
	long count = 0, files = 0, passes = argc > 1 ? atol(argv[1]) : 1;
	int arrays = argc > 2 && !strcmp(argv[2], "all") ? 15 : 8;
	long long values = 0;

	while (count < 100000 && fgets(paths[count], sizeof paths[0], stdin)) {
		paths[count][strcspn(paths[count], "\n")] = 0;
		count++;
	}
	H5open();
	clock_t start = clock();
	for (long p = 0; p < passes; p++)
		for (long i = 0; i < count; i++) {
			hid_t file = H5Fopen(paths[i], H5F_ACC_RDONLY, H5P_DEFAULT);
			for (int a = 0; a < arrays; a++)
				values += read_array(file, names[a]);
			H5Fclose(file);
			files++;
		}
	double cpu = (double)(clock() - start) / CLOCKS_PER_SEC;
	printf("%ld files, %lld values, %.3f CPU seconds, %.4f ms/file\n",
		files, values, cpu, files ? cpu * 1000 / files : 0);
	return 0;
}
