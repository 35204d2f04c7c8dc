import { createReadStream } from 'node:fs';
import { SaxesParser } from 'saxes';
import { type Sink, take } from './sink.ts';
import { type PositionField, type RawFields, readPoint } from './track-point.ts';

/**
 * Elements of a track point, wherever in it they stand: GPX 1.0 has `speed` (m/s) and `course` (degrees) directly,
 * with GPX 1.1 they are in `extensions` (Garmin TrackPointExtension v2), each in a namespace of its own.
 */
const fieldOfElement: Readonly<Record<string, PositionField>> = {
  ele: 'altitude',
  time: 'recordedAt',
  speed: 'speed',
  course: 'bearing',
};

const localName = (name: string) => name.slice(name.indexOf(':') + 1);

/** Follows the elements of a GPX file and hands every `trkpt` over when it ends. */
class GpxReader {
  readonly #sink: Sink;
  readonly #open: string[] = [];
  readonly #tracks = new Set<string>();
  #trackNumber = 0;
  #trackName = '';
  #track: string | undefined;
  #point: { raw: RawFields; line: number } | undefined;
  #text = '';

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  openTag(name: string, attributes: Record<string, string>, line: number): void {
    const parent = this.#open.at(-1);
    this.#open.push(name);
    this.#text = '';
    if (parent === undefined && name !== 'gpx')
      this.#sink.notes.push(`the file is <${name}>, not <gpx>: positions are looked for all the same`);
    if (name === 'trk') {
      this.#trackNumber++;
      this.#trackName = '';
      this.#track = undefined;
    } else if (name === 'trkpt') {
      const { lat, lon } = attributes;
      const raw: RawFields = {};
      if (lat !== undefined) raw.latitude = lat;
      if (lon !== undefined) raw.longitude = lon;
      this.#point = { raw, line };
    }
  }

  text(text: string): void {
    this.#text += text;
  }

  closeTag(name: string): void {
    this.#open.pop();
    const parent = this.#open.at(-1);
    const field = fieldOfElement[name];
    if (name === 'trkpt') this.#endPoint();
    else if (this.#point !== undefined && field !== undefined) this.#point.raw[field] = this.#text.trim();
    else if (name === 'name' && parent === 'trk') this.#trackName = this.#text.trim();
    this.#text = '';
  }

  #endPoint(): void {
    if (this.#point === undefined) return;
    const { raw, line } = this.#point;
    this.#point = undefined;
    this.#track ??= this.#trackId();
    take(this.#sink, line, readPoint(raw, this.#track, 'ms', this.#sink.leftOut));
  }

  /** The track's name, or its number; its name and number when an earlier track has the name. */
  #trackId(): string {
    let id = this.#trackName || String(this.#trackNumber);
    while (this.#tracks.has(id)) id = `${id}-${this.#trackNumber}`;
    this.#tracks.add(id);
    return id;
  }
}

/**
 * Reads a GPX 1.0 or 1.1 file as a stream; every `trk` is a track, its segments are one. From the first place that
 * is not well-formed XML on (a recording that was cut off) nothing is read, and that place is reported.
 */
export async function readGpx(file: string, sink: Sink): Promise<void> {
  const parser = new SaxesParser();
  const reader = new GpxReader(sink);
  let broken = false;
  parser.on('opentag', ({ name, attributes }) => {
    if (!broken) reader.openTag(localName(name), attributes, parser.line);
  });
  parser.on('text', (text) => reader.text(text));
  parser.on('cdata', (text) => reader.text(text));
  parser.on('closetag', ({ name }) => {
    if (!broken) reader.closeTag(localName(name));
  });
  parser.on('error', (error) => {
    if (!broken)
      sink.problems.add(parser.line, `not well-formed XML, nothing is read from here on (${error.message})`);
    broken = true;
  });
  for await (const chunk of createReadStream(file, 'utf8')) {
    parser.write(chunk as string);
    if (broken) return;
  }
  parser.close();
}
