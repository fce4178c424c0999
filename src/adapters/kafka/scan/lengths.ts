/**
 * How long snappy and lz4 data becomes, read off without inflating it: their decoders take no limit, and write whatever a few
 * kilobytes ask for. Data that breaks off or says nothing counts up to there; the decoder then says what is wrong with it.
 */

const xerial = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** Behind the name two versions of 4 bytes each. */
const xerialHeader = 16;

/** A raw block begins with its length; the Java client's framing (xerial) has chunks of raw blocks. */
export function snappyLength(data: Buffer): number {
  if (!data.subarray(0, xerial.length).equals(xerial)) return preamble(data, 0);
  let length = 0;
  for (let at = xerialHeader; at + 4 <= data.length; at += 4 + data.readUInt32BE(at)) length += preamble(data, at + 4);
  return length;
}
function preamble(data: Buffer, at: number): number {
  let value = 0;
  for (let i = 0; i < 5; i += 1) {
    const byte = data[at + i] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) break;
  }
  return value;
}

const frameMagic = 0x184d2204;
/** A byte of lz4 stands for at most so many. */
const mostPerByte = 255;
/** Of the frame's flags. */
const flags = { blockChecksum: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionary: 0x01 } as const;

/**
 * At most the sum of what the frame allows its blocks, which costs a look at each block's head. Only where that is above `most`
 * its sequences are counted: exact, at the cost of walking the data once. The length in the frame's header is not believed.
 */
export function lz4Length(data: Buffer, most: number): number {
  const allowed = sumOfBlocks(data, (block, largest) => Math.min(largest, block.length * mostPerByte));
  return allowed <= most ? allowed : sumOfBlocks(data, sequencesLength);
}

/** Block sizes of 64 KiB, 256 KiB, 1 MiB and 4 MiB; blocks that are stored as they are have bit 31 set. */
function sumOfBlocks(data: Buffer, of: (block: Buffer, largest: number) => number): number {
  let [at, length] = [0, 0];
  // An older format begins otherwise, and decoders may know it; no client of Kafka writes it.
  if (data.length < 4 || data.readUInt32LE(0) !== frameMagic) throw new Error('it does not begin as an lz4 frame');
  while (at + 7 <= data.length && data.readUInt32LE(at) === frameMagic) {
    const flag = data[at + 4] ?? 0;
    const largest = 2 ** (8 + 2 * (((data[at + 5] ?? 0) >> 4) & 7));
    const has = (one: keyof typeof flags): boolean => (flag & flags[one]) !== 0;
    at += 7 + (has('contentSize') ? 8 : 0) + (has('dictionary') ? 4 : 0);
    while (at + 4 <= data.length) {
      const word = data.readUInt32LE(at);
      at += 4;
      if (word === 0) break; // end of the frame
      const size = word & 0x7fffffff;
      length += word >= 0x80000000 ? size : of(data.subarray(at, at + size), largest);
      at += size + (has('blockChecksum') ? 4 : 0);
    }
    at += has('contentChecksum') ? 4 : 0;
  }
  return length;
}

/** A sequence: lengths of its literals and its match in one byte, each going on in further bytes after 15; literals; where the match is. */
function sequencesLength(block: Buffer): number {
  let [at, length] = [0, 0];
  const extended = (nibble: number): number => {
    let value = nibble;
    if (nibble === 15) for (let byte = 255; byte === 255; ) { byte = block[at++] ?? 0; value += byte; }
    return value;
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = extended(token >> 4);
    length += literals;
    at += literals;
    if (at >= block.length) break; // the last one has no match
    at += 2;
    length += extended(token & 15) + 4;
  }
  return length;
}
