import type { RowProblems } from './row-problems.ts';
import type { LeftOut, ReadPoint, TrackPoint } from './track-point.ts';

/** Where a reader puts what it finds while it goes through a file. */
export type Sink = {
  points: TrackPoint[];
  problems: RowProblems;
  leftOut: LeftOut;
  /** What the reader found out about the file and the user may want to know. */
  notes: string[];
};

export function take({ points, problems }: Sink, line: number, read: ReadPoint): void {
  if ('point' in read) points.push(read.point);
  else problems.add(line, read.reason);
}
