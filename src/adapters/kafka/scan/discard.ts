/** Gives memory back at once, where the garbage collector would let tens of MiB pile up first. */

/** Nobody may look at any view of it afterwards. */
export function discard(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
