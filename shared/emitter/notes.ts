/** What nodes tell each other about themselves. `from`: the node, anew for every process that starts. */
export type Note =
  /** To all: it has come, or come back; and what it wants. The others answer with `wants`. */
  | { type: 'hello'; from: string; version: number; filters: string[] }
  /** To one: all that it wants. */
  | { type: 'wants'; from: string; version: number; filters: string[] }
  /** To all: what has changed since the version before. */
  | { type: 'change'; from: string; version: number; added: string[]; removed: string[] }
  /** To one: tell me all that you want. */
  | { type: 'ask'; from: string }
  /** To all, again and again: it lives. `sent`: the link and the last frame to each other node. */
  | { type: 'alive'; from: string; version: number; sent: Record<string, [link: number, frame: number]> }
  /** To all: it goes. */
  | { type: 'bye'; from: string };

const FRAME = 0;
const NOTE = 1;

const NOTE_HEAD = Buffer.of(NOTE);
const FRAME_HEAD = Buffer.of(FRAME);

export const packNote = (note: Note) => Buffer.concat([NOTE_HEAD, Buffer.from(JSON.stringify(note))]);

export const packFrame = (frame: Buffer) => Buffer.concat([FRAME_HEAD, frame]);

/** A note, or the bytes of a frame. */
export function unpack(bytes: Buffer): Note | Buffer {
  const rest = bytes.subarray(1);
  return bytes[0] === FRAME ? rest : (JSON.parse(rest.toString()) as Note);
}
