import { ConfigError, readConfig } from '../../shared/config.ts';
import { loadEnvFile } from '../../shared/env-file.ts';
import { localAddresses } from '../shared/addresses.ts';
import { interruption } from '../shared/interruption.ts';
import { printNote, printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';
import { assignDrivers, seatPerDriver, sharedSeat } from './identity.ts';
import { parseOptions, type ReplayOptions } from './options.ts';
import { startProgress } from './progress.ts';
import { EmptyRecordingError, type Recording, readTrack } from './read-track.ts';
import { type Plan, run } from './run.ts';
import { durationMs, type Timeline } from './schedule.ts';
import { summaryLines } from './summary.ts';
import { Tally } from './tally.ts';

/*
 * `npm run replay -- FILE [options]`: sends a recorded track as one or more drivers, as any other client would:
 * read the file, find out who sends, open the connections, send each position at its time, say what became of it.
 * Exit status 0: all acknowledged, none rejected. 1: not so. 2: the arguments or the configuration are wrong.
 */

/** Tokens outlive the replay by an hour: for a broker that is away, and for clocks that differ. */
const SPARE_TOKEN_SECONDS = 3_600;

async function planFor(options: ReplayOptions, { points, tracks }: Recording): Promise<Plan> {
  const { token, speed } = options;
  const drivers = assignDrivers(tracks, options);
  const timeline: Timeline = {
    firstMs: points[0]?.timeMs ?? 0,
    lastMs: points.at(-1)?.timeMs ?? 0,
    speed,
  };
  const ttlSeconds = Math.ceil(durationMs(timeline) / 1000) + SPARE_TOKEN_SECONDS;
  return {
    url: options.url ?? localAddresses(readConfig(process.env)).mqtt,
    points,
    timeline,
    shiftToNow: options.shiftToNow,
    drivers,
    seats:
      token === undefined
        ? await seatPerDriver(drivers, readConfig(process.env).jwt, ttlSeconds)
        : [sharedSeat(token, tracks)],
    inFlight: options.inFlight,
  };
}

async function replay(options: ReplayOptions): Promise<boolean> {
  const recording = await readTrack(options.file, options);
  for (const note of recording.notes) printNote(note);
  const plan = await planFor(options, recording);
  if (plan.seats.some(({ errorsTopic }) => errorsTopic === undefined))
    printNote('the token is no JWT, so the topic for rejections is not known: they are not counted');
  const tally = new Tally(plan.points.length);
  const progress = startProgress(tally, process.stderr.isTTY === true);
  let failure: Error | undefined;
  try {
    await run(plan, tally, progress.note, interruption());
  } catch (error) {
    failure = error as Error;
  } finally {
    progress.stop();
  }
  if (failure !== undefined) printNote(failure.message);
  for (const line of summaryLines(tally, recording.positionsInFile, recording.tracks.length))
    printResult(line);
  return failure === undefined && tally.isClean;
}

async function main(): Promise<number> {
  try {
    loadEnvFile();
    const options = parseOptions(process.argv.slice(2), process.env);
    return options === undefined || (await replay(options)) ? 0 : 1;
  } catch (error) {
    if (error instanceof EmptyRecordingError) {
      printNote(error.message);
      return 1;
    }
    if (!(error instanceof UsageError || error instanceof ConfigError)) throw error;
    for (const problem of error.problems) printNote(`replay: ${problem}`);
    return 2;
  }
}

process.exitCode = await main();
