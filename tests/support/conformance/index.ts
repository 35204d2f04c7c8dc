import { connack } from './connack.ts';
import { connect } from './connect.ts';
import { format } from './format.ts';
import { publish } from './publish.ts';
import { qos } from './qos.ts';
import { retainedMessages } from './retained.ts';
import { sessions } from './sessions.ts';
import type { Statement } from './statement.ts';
import { subscribe } from './subscribe.ts';
import { topics } from './topics.ts';
import { transport } from './transport.ts';
import { unsubscribe } from './unsubscribe.ts';
import { wills } from './wills.ts';

export type { Statement } from './statement.ts';

const chapters = [format, connect, connack, sessions, wills, publish, retainedMessages, qos];

/** One of them has a dash for a dot. */
const place = ({ id }: Statement) => id.replace(/^3-/, '3.');

/** In the order of the standard. */
export const statements: readonly Statement[] = [
  ...chapters.flat(),
  ...subscribe,
  ...unsubscribe,
  ...topics,
  ...transport,
].sort((a, b) => place(a).localeCompare(place(b), 'en', { numeric: true }));
