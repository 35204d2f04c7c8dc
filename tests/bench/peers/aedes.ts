import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../support/services/free-port.ts';
import { GuardedProcess } from '../../support/services/guarded-process.ts';
import { usageIn } from '../processes.ts';
import type { Peer } from './peer.ts';
import { untilListening } from './until-listening.ts';

const TSX = import.meta.resolve('tsx');
const BROKER = fileURLToPath(new URL('aedes-broker.ts', import.meta.url));

/** Aedes without anything of ours. */
export async function startAedes(): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetcast-aedes-'));
  const port = await freePort();
  const server = new GuardedProcess({
    command: process.execPath,
    args: ['--import', TSX, BROKER, String(port)],
    directory,
    stopSignal: 'TERM',
  });
  await untilListening(port, server.ended);
  return { name: 'aedes', port, meters: { aedes: () => usageIn(directory) }, stop: () => server.stop() };
}
