/** Rules of positions: where a group may be told to go on, what that must be proven by, and what giving up needs. */
import type { Side } from './authority.ts';
import { otherSide } from './authority.ts';
import { breach, type Found, type Of, type Way } from './authority-rules.ts';
import { isOn, type State } from './authority-state.ts';

export function position(s: State, e: Of<'position'>, topic: string, way: Way): readonly Found[] {
  const members = s.ground.ofGroup(e.group).filter((a) => a.reads.some((r) => r.group === e.group && r.topics.includes(topic)));
  const application = members[0]?.name ?? null;
  const second = e.on === 'target' && way !== 'undo' ? members.filter((a) => s.second(a.name) !== 'gone').map((a) => breach('positions-first', a.name, `The position of group ${e.group} for ${topic} on ${e.on} is set while the second set of ${a.name} runs there.`)) : [];
  if (second.length > 0) return second;
  if (e.from === 'none') return takeAway(s, { group: e.group, topic, on: e.on, application });
  const missing = s.exists(e.on, topic) ? [] : [breach('topics-first', application, `Group ${e.group} gets a position for ${topic} on ${e.on} before the topic exists there.`)];
  const active = members.filter((a) => isOn(s.place(a.name), e.on));
  if (active.length > 0 && e.unless === 'at work') return missing;
  if (active.length > 0) {
    // An undo that has nothing to do here (its change was recorded, not applied) meets the group where it always was.
    return way === 'undo' ? missing : [...missing, ...active.map((a) => breach('positions-first', a.name, `The position of group ${e.group} for ${topic} on ${e.on} is set while ${a.name} runs there.`))];
  }
  if (e.from === 'end') {
    if (s.position(e.group, topic, e.on) === 'none') s.setPosition(e.group, topic, e.on, 'stale');
    return missing;
  }
  // A group that still runs, or whose processes were not proven gone, reads on: what is written now may be outdated at once.
  const settled = members.every((a) => s.place(a.name) === 'stopped' && (way === 'undo' || s.quiet(a.name)));
  return [...missing, ...{ cut: atTheCut, start: atTheStart, behind: behindAll, translated }[e.from](s, e, topic, { application, settled })];
}

interface Reader { readonly application: string | null; readonly settled: boolean }

function translated(s: State, e: Of<'position'>, topic: string, reader: Reader): readonly Found[] {
  if (s.position(e.group, topic, e.on) === 'fresh') return [];
  if (!s.copied(topic)) return [breach('positions-first', reader.application, `The position of group ${e.group} for ${topic} is translated to ${e.on}, but no mirror has copied ${topic}.`)];
  if (s.position(e.group, topic, otherSide(e.on)) !== 'fresh')
    return [breach('positions-first', reader.application, `The position of group ${e.group} for ${topic} on ${otherSide(e.on)} is not where the group is, so it cannot be translated to ${e.on}.`)];
  const other = otherSide(e.on);
  const left = s.closed(other, topic) && s.alone(other, topic) && !s.hasRead(e.group, topic, other)
    ? [breach('reads-what-comes', reader.application, `The position of group ${e.group} for ${topic} is translated to ${e.on} before it was proven to have drained what is only on ${other}.`)] : [];
  s.setPosition(e.group, topic, e.on, reader.settled ? 'fresh' : 'stale');
  return left;
}

/** Whoever has read everything on the other side goes on behind the cut; that this was proven is asked when the group starts. */
function atTheCut(s: State, e: Of<'position'>, topic: string, reader: Reader): readonly Found[] {
  const other = otherSide(e.on);
  if (s.position(e.group, topic, e.on) === 'fresh') return [];
  if (s.copied(topic) && !s.hasRead(e.group, topic, other))
    return [breach('positions-first', reader.application, `Group ${e.group} is set to where ${topic} is cut on ${e.on} before it was proven to have read everything on ${other}.`)];
  s.setPosition(e.group, topic, e.on, 'cut');
  return [];
}

/** Where nobody writes and no mirror copies any more, all that is there has been read, here or as the original on the other side. */
function behindAll(s: State, e: Of<'position'>, topic: string, reader: Reader): readonly Found[] {
  const other = otherSide(e.on);
  if (s.position(e.group, topic, e.on) === 'fresh') return [];
  const alive = s.mirrorsOf(topic).find((x) => x.toward === e.on && s.mirror(x.name) === 'running');
  const why = s.authority(topic) === e.on
    ? (s.hasRead(e.group, topic, other) ? null : `before it was proven to have read everything on ${other}`)
    : alive !== undefined ? `while mirror ${alive.name} copies ${topic} there`
      : s.alone(e.on, topic) && s.closed(e.on, topic) && !s.hasRead(e.group, topic, e.on) ? 'before it was proven to have drained what is only there' : null;
  if (why !== null) return [breach('positions-first', reader.application, `Group ${e.group} is set behind all of ${topic} on ${e.on} ${why}.`)];
  s.setPosition(e.group, topic, e.on, 'cut');
  return [];
}

/** All that was copied is read again: nothing is skipped, and only a consent makes it right. */
function atTheStart(s: State, e: Of<'position'>, topic: string, reader: Reader): readonly Found[] {
  s.setPosition(e.group, topic, e.on, 'cut');
  return [
    ...(s.copied(topic) ? [] : [breach('positions-first', reader.application, `Group ${e.group} is to begin where ${topic} begins on ${e.on}, and nothing was copied there.`)]),
    ...(consented(s, e.group, 'mayRepeat') ? [] : [breach('positions-first', reader.application, `Group ${e.group} is to read ${topic} again on ${e.on} from its beginning, and the migration allows no repeats ("mayRepeat").`)]),
  ];
}
const consented = (s: State, group: string, what: 'mayRepeat' | 'mayLose'): boolean => s.ground.ofGroup(group).some((a) => a.reads.some((r) => r.group === group && r[what] !== undefined));

/** Counts only once nothing more can come: what is given up has a number then. */
export function forgo(s: State, e: Of<'forgo'>): readonly Found[] {
  const left = e.topics.filter((t) => !s.hasRead(e.group, t, e.on) && (s.authority(t) !== e.on || s.ground.writersOf([t]).every((a) => s.quiet(a.name))));
  for (const t of left) s.setHasRead(e.group, t, e.on, true);
  return left.length === 0 || consented(s, e.group, 'mayLose') ? [] : [breach('reads-what-comes', s.ground.ofGroup(e.group)[0]?.name ?? null, `Group ${e.group} gives up what it has not read of ${left.join(', ')} on ${e.on}, and the migration allows no loss ("mayLose").`)];
}

/** A position may only go when another one says how far the group has got, or where there was nothing to read yet. */
export function takeAway(s: State, x: { readonly group: string; readonly topic: string; readonly on: Side; readonly application: string | null }): readonly Found[] {
  const unread = !s.copied(x.topic) && s.opened(x.topic) !== x.on;
  const only = s.position(x.group, x.topic, x.on) === 'fresh' && !unread && (!s.copied(x.topic) || s.position(x.group, x.topic, otherSide(x.on)) !== 'fresh');
  s.setPosition(x.group, x.topic, x.on, 'none');
  return only ? [breach('positions-first', x.application, `The position of group ${x.group} for ${x.topic} on ${x.on} is taken away, and nothing else says how far the group has got.`)] : [];
}
