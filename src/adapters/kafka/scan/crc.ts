/** CRC32C over bytes in place. */
import { createRequire } from 'node:module';
import { crc32c as libraryCrc } from '@platformatic/kafka';

/**
 * The client library brings a native CRC32C as an optional part but copies its input before calling it: 40 µs for 64 KiB
 * in place of 13 µs. So we ask for that part where the library itself finds it, and use the library's function elsewhere.
 */
function fastest(): (bytes: Buffer) => number {
  try {
    const loaded: unknown = createRequire(import.meta.resolve('@platformatic/kafka'))('@node-rs/crc32');
    if (isNative(loaded)) return loaded.crc32c;
  } catch {
    // No prebuilt binary for this platform: the library's WebAssembly does the same, slower.
  }
  return libraryCrc;
}

const isNative = (loaded: unknown): loaded is { crc32c: (bytes: Buffer) => number } =>
  typeof loaded === 'object' && loaded !== null && 'crc32c' in loaded && typeof loaded.crc32c === 'function';

export const crc32c = fastest();
