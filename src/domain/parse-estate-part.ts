/** What an estate writes into the migrations of its waves; people do not type it, so only its shape is read. */
import type { Elsewhere, EstatePart, FedSet } from './migration.ts';
import { choice, fields, list, text, type At } from './shape.ts';

const secrets = 'A migration is kept in Temporal in clear.';
const longest = 1_000;
const word = (x: At, noun: string): string => text(x, { noun, most: longest, secrets });
const topicsIn = (x: At): readonly string[] => list(x, { noun: 'topics', least: 1, most: 2_000 }).map((t) => word(t, 'a topic'));

export function readEstatePart(x: At): EstatePart {
  const f = fields(x, { noun: "an estate's part", known: ['id', 'run', 'wave', 'feeds', 'elsewhere'], secrets });
  if (!f) return { id: '', run: '', wave: '', feeds: [], elsewhere: [] };
  return {
    id: word(f('id'), 'the workflow id of the estate'), run: word(f('run'), 'the first run id of the estate'), wave: word(f('wave'), 'the name of the wave'),
    feeds: list(f('feeds'), { noun: 'cut sets', most: 2_000 }).map(readFed),
    elsewhere: list(f('elsewhere'), { noun: 'cut sets', most: 2_000 }).map(readElsewhere),
  };
}

function readFed(x: At): FedSet {
  const f = fields(x, { noun: 'a cut set', known: ['name', 'topics'], secrets });
  return f ? { name: word(f('name'), 'the name of a cut set'), topics: topicsIn(f('topics')) } : { name: '', topics: [] };
}

function readElsewhere(x: At): Elsewhere {
  const f = fields(x, { noun: 'a cut set', known: ['name', 'topics', 'authority', 'history'], secrets });
  if (!f) return { name: '', topics: [], authority: 'source', history: 'copied' };
  return {
    name: word(f('name'), 'the name of a cut set'), topics: topicsIn(f('topics')),
    authority: choice(f('authority'), ['source', 'target']), history: choice(f('history'), ['copied', 'not-copied']),
  };
}
