import { connect } from './connect.ts';
import { format } from './format.ts';
import { publish } from './publish.ts';
import { sessions } from './sessions.ts';
import type { Statement } from './statement.ts';
import { subscribe } from './subscribe.ts';
import { transport } from './transport.ts';

export type { Statement } from './statement.ts';

/** In the order of the standard. */
export const statements: readonly Statement[] = [
  ...format,
  ...connect,
  ...sessions,
  ...publish,
  ...subscribe,
  ...transport,
].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
