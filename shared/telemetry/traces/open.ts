import type { Logger } from '../log.ts';
import type { Attributes, Traces } from './index.ts';
import type { TraceExporter } from './settings.ts';

/** `exporters` none: undefined, and the SDK is not loaded. */
export async function openTraces(
  exporters: readonly TraceExporter[],
  about: Attributes,
  log: Logger,
): Promise<Traces | undefined> {
  if (exporters.length === 0) return undefined;
  const { startOpenTelemetry } = await import('./opentelemetry.ts');
  return startOpenTelemetry(exporters, about, log);
}
