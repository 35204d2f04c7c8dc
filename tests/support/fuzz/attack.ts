import type { Ports } from '../platform.ts';
import { encode } from '../raw-mqtt.ts';
import { BUSY_MS } from '../redis.ts';
import { type Choice, choiceOf } from './choice.ts';
import { corpusOf, type FuzzUser, type Packets, type Victim } from './corpus.ts';
import { type MutatedPacket, mutated } from './mutated.ts';
import { openPipe, type Pipe } from './pipe.ts';
import { Replies } from './replies.ts';
import type { Tally } from './tally.ts';

export type Target = { ports: Ports; victim: Victim; users: readonly FuzzUser[] };

/** ms. Whoever answers nothing for so long waits for the rest of a packet, and is left alone with it. */
const PATIENCE_MS = 150;

/** Groups of packets in a session that goes on. */
const GROUPS = 20;
const MOST_IN_A_GROUP = 8;

/** Of what comes before a login most ends the connection, whatever it is; in a session that hides what would come behind it. */
const RAW_BEFORE_LOGIN = 0.5;
const RAW_IN_SESSION = 0.03;

/** One connection of the fuzzer. Its seed decides about all that it does. */
export async function attack(seed: number, { ports, victim, users }: Target, tally: Tally): Promise<void> {
  const choice = choiceOf(seed);
  const packets = corpusOf(choice.pick(users), victim, choice);
  const pipe = openPipe(choice.chance(0.12) ? 'ws' : 'tcp', ports);
  await pipe.opened;
  tally.opened();
  if (choice.chance(0.4)) fallIn(pipe, packets, choice, tally);
  else await holdSession(pipe, packets, choice, tally);
  if (!pipe.isOpen()) tally.ended();
  if (choice.chance(0.2)) pipe.cut();
  else pipe.end();
  await within(BUSY_MS * 3, pipe.closed, `connection ${seed} does not come to its end`);
}

/** Begins with a mutated packet, and perhaps goes on as if nothing were. The first one alone is sure to be heard. */
function fallIn(pipe: Pipe, packets: Packets, choice: Choice, tally: Tally): void {
  const original = choice.chance(0.8) ? packets.connect() : packets.session();
  const opening = mutated(original, packets, choice, RAW_BEFORE_LOGIN);
  pipe.write(opening.bytes);
  tally.wrote([opening], pipe.transport, 'before a login');
  if (choice.chance(0.5)) writeInPieces(pipe, bytesOf(groupOf(packets, choice)), choice);
}

async function holdSession(pipe: Pipe, packets: Packets, choice: Choice, tally: Tally): Promise<void> {
  const replies = new Replies(pipe);
  pipe.write(packets.connect());
  if (!(await replies.isLetIn())) return;
  tally.loggedIn();
  for (let answered = 0; answered < GROUPS; answered++) {
    const group = groupOf(packets, choice);
    writeInPieces(pipe, bytesOf(group), choice);
    const isAnswered = (await replies.pings(answered + 1, PATIENCE_MS)) > answered;
    // Otherwise one of them has ended it, or left it waiting for the rest of a packet: the first was heard in any case
    tally.wrote(isAnswered ? group : group.slice(0, 1), pipe.transport, 'in a session');
    if (!isAnswered) return;
  }
  const last = mutated(packets.last(), packets, choice, RAW_IN_SESSION);
  pipe.write(last.bytes);
  tally.wrote([last], pipe.transport, 'in a session');
}

const groupOf = (packets: Packets, choice: Choice): MutatedPacket[] =>
  Array.from({ length: 1 + choice.below(MOST_IN_A_GROUP) }, () =>
    mutated(packets.session(), packets, choice, RAW_IN_SESSION),
  );

/** With a PINGREQ behind them, whose answer tells that they were all heard. */
const bytesOf = (group: readonly MutatedPacket[]) =>
  Buffer.concat([...group.map(({ bytes }) => bytes), encode.ping()]);

function writeInPieces(pipe: Pipe, bytes: Buffer, { below, chance }: Choice): void {
  const pieces = chance(0.7) ? 1 : 2 + below(4);
  let start = 0;
  for (let left = pieces; left > 0 && pipe.isOpen(); left--) {
    const end = left === 1 ? bytes.length : start + below(bytes.length - start + 1);
    pipe.write(bytes.subarray(start, end));
    start = end;
  }
}

async function within<T>(ms: number, promise: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
