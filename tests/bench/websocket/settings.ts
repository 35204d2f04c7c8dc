import type { PerMessageDeflateOptions } from 'ws';
import { COMPRESS_FROM, COMPRESSION } from '../../../broker/compression.ts';

/** A way to compress: undefined = not at all. `compressFrom`: bytes of a frame from which on it is. */
export type Setting = { name: string; compressFrom: number; deflate: PerMessageDeflateOptions | undefined };

const chosen = { ...COMPRESSION, clientMaxWindowBits: 10 };

const other = (windowBits: number, memLevel: number): Setting => ({
  name: `window ${2 ** windowBits} B, memLevel ${memLevel}`,
  compressFrom: COMPRESS_FROM,
  deflate: {
    ...chosen,
    serverMaxWindowBits: windowBits,
    zlibDeflateOptions: { ...chosen.zlibDeflateOptions, memLevel },
  },
});

export const settings: readonly Setting[] = [
  { name: '`off`', compressFrom: 0, deflate: undefined },
  { name: '`on`: window 2048 B, memLevel 2', compressFrom: COMPRESS_FROM, deflate: chosen },
  {
    name: 'the same without context takeover',
    compressFrom: COMPRESS_FROM,
    deflate: { ...chosen, threshold: COMPRESS_FROM, serverNoContextTakeover: true },
  },
  other(9, 1),
  other(10, 2),
  other(12, 4),
  { name: "ws' defaults: window 32 kB", compressFrom: 0, deflate: {} },
];
