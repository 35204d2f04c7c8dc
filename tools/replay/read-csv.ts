import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { type ColumnIndexes, type ColumnMapping, columnIndexes } from './columns.ts';
import type { RowProblems } from './row-problems.ts';
import { type Sink, take } from './sink.ts';
import { type LeftOut, type RawFields, type ReadPoint, readPoint } from './track-point.ts';
import type { SpeedUnit } from './units.ts';

export type CsvOptions = { columns: ColumnMapping | undefined; speedUnit: SpeedUnit };

/** The track id of a file that has no column for it. */
const ONLY_TRACK = '1';

const delimiters = [',', ';', '\t', '|'] as const;

/** The delimiter that stands in the header line most often; a comma when none does. */
export function detectDelimiter(headerLine: string): string {
  const counts = delimiters.map((delimiter) => headerLine.split(delimiter).length);
  return delimiters[counts.indexOf(Math.max(...counts))] ?? ',';
}

const hasOpenQuote = (line: string) => line.split('"').length % 2 === 0;

/**
 * A file's text, with every line in which a quote stays open reported and left empty: the parser would look for
 * the closing one through all the rows that follow. A record of positions is one line.
 */
async function* closedLines(chunks: AsyncIterable<string>, problems: RowProblems): AsyncGenerator<string> {
  let number = 0;
  const checked = (line: string): string => {
    number++;
    if (!hasOpenQuote(line)) return line;
    problems.add(number, 'a quote is opened and not closed');
    return '';
  };
  let rest = '';
  for await (const chunk of chunks) {
    // A carriage return at the end of a chunk may be the first half of a line's end.
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (lines.length > 0) yield `${lines.map(checked).join('\n')}\n`;
  }
  yield checked(rest);
}

type Row = { info: { lines: number }; record: string[] };

function rawFields(record: readonly string[], indexes: ColumnIndexes): RawFields {
  const raw: RawFields = {};
  for (const [field, index] of indexes) {
    const text = record[index];
    if (text !== undefined) raw[field] = text.trim();
  }
  return raw;
}

/** Describes what was found, so that a wrong guess is seen: `columns: lat is latitude, lon is longitude`. */
function columnNote(headers: readonly string[], indexes: ColumnIndexes): string {
  return `columns: ${[...indexes].map(([field, index]) => `${headers[index]?.trim()} is ${field}`).join(', ')}`;
}

/** Reads a CSV file as a stream; the first line that is not empty holds the headers. */
export async function readCsv(
  file: string,
  delimiter: string,
  options: CsvOptions,
  sink: Sink,
): Promise<void> {
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  });
  const text: AsyncIterable<string> = createReadStream(file, 'utf8');
  // An error on the way ends the parser with it, so it is the loop below that throws it.
  pipeline(Readable.from(closedLines(text, sink.problems)), parser, () => undefined);

  let headers: string[] | undefined;
  let indexes: ColumnIndexes = new Map();
  for await (const { info, record } of parser as AsyncIterable<Row>) {
    if (headers === undefined) {
      headers = record;
      indexes = columnIndexes(headers, options.columns);
      sink.notes.push(columnNote(headers, indexes));
      continue;
    }
    take(sink, info.lines, readRow(record, headers.length, indexes, options.speedUnit, sink.leftOut));
  }
}

function readRow(
  record: readonly string[],
  width: number,
  indexes: ColumnIndexes,
  speedUnit: SpeedUnit,
  leftOut: LeftOut,
): ReadPoint {
  // More values than headers: one of them was cut in two, and what follows stands in a wrong column.
  if (record.slice(width).some((value) => value.trim() !== ''))
    return { reason: `${record.length} values under ${width} headers` };
  const raw = rawFields(record, indexes);
  const track = indexes.has('driverId') ? raw.driverId : ONLY_TRACK;
  return track ? readPoint(raw, track, speedUnit, leftOut) : { reason: 'no driverId' };
}
