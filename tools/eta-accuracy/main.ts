import { EmptyRecordingError, readTrack } from '../replay/read-track.ts';
import { printNote, printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';
import { type AccuracyOptions, parseOptions } from './options.ts';
import { reportLines } from './report.ts';
import { recordedTrips } from './trips.ts';

/*
 * `npm run eta-accuracy -- FILE [options]`: takes each track of a recording for a trip to where it ends, lets the
 * platform's estimator see it position by position, and compares each estimate with what really happened.
 * Exit status 0: measured. 1: there is nothing to measure. 2: the arguments are wrong.
 */

async function report(options: AccuracyOptions): Promise<boolean> {
  const { points, tracks, notes } = await readTrack(options.file, options);
  for (const note of notes) printNote(note);
  const trips = recordedTrips(points, options.everySeconds).filter(({ moments }) => moments.length > 0);
  if (trips.length < tracks.length)
    printNote(`left out, for they never move: ${tracks.length - trips.length} of ${tracks.length} tracks`);
  if (trips.length === 0) return false;
  for (const line of reportLines(trips, options.detourFactor)) printResult(line);
  return true;
}

async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2));
    return options === undefined || (await report(options)) ? 0 : 1;
  } catch (error) {
    if (error instanceof EmptyRecordingError) {
      printNote(error.message);
      return 1;
    }
    if (!(error instanceof UsageError)) throw error;
    for (const problem of error.problems) printNote(`eta-accuracy: ${problem}`);
    return 2;
  }
}

process.exitCode = await main();
