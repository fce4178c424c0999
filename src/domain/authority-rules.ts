/** The rules of the safety model: what each effect needs to be allowed, what it makes true, and what must hold at every moment. */
import type { Effect, Rule, Side } from './authority.ts';
import { otherSide } from './authority.ts';
import type { State } from './authority-state.ts';
import { isOn, sidesOf, spoken, type Place } from './authority-state.ts';
import { forgo, position, takeAway } from './authority-positions.ts';
import { even, secondSet } from './authority-second.ts';
import type { Application } from './migration.ts';

export interface Found { readonly rule: Rule; readonly application: string | null; readonly why: string }
/** `undo`: what an undo cannot prove anew (quiet, drained) is not asked of it; what it leaves behind is. */
export type Way = 'forward' | 'undo';
export type Of<K extends Effect['do']> = Extract<Effect, { do: K }>;
export const breach = (rule: Rule, application: string | null, why: string): Found => ({ rule, application, why });

/** Applies one effect to the state and says what it breaks: by itself, and by what then stands. */
export function apply(s: State, e: Effect, way: Way): readonly Found[] {
  const found = applied(s, e, way);
  return [...found, ...touchedBy(s, e).flatMap((a) => standing(s, a))];
}

function applied(s: State, e: Effect, way: Way): readonly Found[] {
  switch (e.do) {
    case 'create-topics': for (const t of e.topics) s.setExists(e.on, t, true); return [];
    case 'remove-topics': return e.topics.flatMap((t) => removeTopic(s, t, e.on));
    case 'mirror': return mirror(s, e);
    case 'run': return run(s, e);
    case 'position': return e.topics.flatMap((t) => position(s, e, t, way));
    case 'fence': return fence(s, e);
    case 'prove-quiet': for (const a of e.applications) if (s.place(a) === 'stopped') s.setQuiet(a, true); return [];
    case 'give-up': return giveUp(s, e);
    case 'prove-mirror-drained': return drained(s, e);
    case 'prove-group-drained': return groupDrained(s, e);
    case 'prove-dry': return ranDry(s, e);
    case 'forgo': return forgo(s, e);
    case 'second-set': return secondSet(s, e, way);
    case 'prove-even': return e.applications.flatMap((name) => even(s, name));
    case 'cut': return cut(s, e);
  }
}

function touchedBy(s: State, e: Effect): readonly Application[] {
  if (e.do === 'run') return [...new Set(s.ground.applications.filter((a) => a.name === e.application).flatMap((a) => [a, ...a.reads.flatMap((r) => s.ground.ofGroup(r.group))]))];
  return e.do === 'mirror' || e.do === 'cut' || e.do === 'remove-topics' ? s.ground.usersOf(e.topics) : [];
}

/** What must be so at every moment, for one application. */
function standing(s: State, a: Application): readonly Found[] {
  return sidesOf(s.place(a.name)).flatMap((on) => [
    ...a.writes.filter((t) => s.authority(t) !== on).map((t) => breach('writers-at-authority', a.name, `${a.name} runs on ${on} and writes ${t}, which has its authority on ${s.authority(t)}.`)),
    ...a.reads.flatMap((r) => r.topics.flatMap((t) => reading(s, a, r.group, t, on))),
    ...split(s, a, on),
  ]);
}

/** Whether what the group must read next is, or will be, in the log of `topic` on that side. */
function reading(s: State, a: Application, group: string, topic: string, on: Side): readonly Found[] {
  const both = s.place(a.name) === 'both';
  if (both && s.mirrorsOf(topic).some((x) => s.mirror(x.name) === 'running')) return [breach('reads-what-comes', a.name, `${a.name} runs on both sides and reads ${topic}, which is mirrored: group ${group} would read every record twice.`)];
  if (both || s.resting(a.name)) return [];
  if (s.authority(topic) === on) {
    if (!s.closed(otherSide(on), topic) || !s.alone(otherSide(on), topic) || s.hasRead(group, topic, otherSide(on))) return [];
    return [breach('reads-what-comes', a.name, `Group ${group} reads ${topic} on ${on} before it was proven to have drained what is left of it on ${otherSide(on)}.`)];
  }
  if (s.fed(topic, on) || s.closed(on, topic)) return [];
  return [breach('reads-what-comes', a.name, `Group ${group} reads ${topic} on ${on}, where nothing arrives: the authority is on ${otherSide(on)} and no mirror feeds ${on}.`)];
}

/** Two sets of an application at once make two sets of its groups, whoever else is in them. */
function split(s: State, a: Application, on: Side): readonly Found[] {
  return a.reads.flatMap((r) => s.ground.ofGroup(r.group)
    .filter((b) => b.name !== a.name && isOn(s.place(b.name), otherSide(on)) && s.place(a.name) !== 'both' && s.place(b.name) !== 'both')
    .map((b) => breach('reads-what-comes', a.name, `Group ${r.group} has members on both sides: ${a.name} on ${on}, ${b.name} ${spoken(s.place(b.name))}.`)));
}

function removeTopic(s: State, topic: string, on: Side): readonly Found[] {
  const users = s.ground.usersOf([topic]).filter((a) => isOn(s.place(a.name), on) || (on === 'target' && s.second(a.name) !== 'gone'));
  const mirrors = s.mirrorsOf(topic).filter((x) => s.mirror(x.name) === 'running');
  const groups = s.ground.usersOf([topic]).flatMap((a) => a.reads.filter((r) => r.topics.includes(topic)).map((r) => ({ a, group: r.group })));
  const lost = groups.flatMap(({ a, group }) => takeAway(s, { group, topic, on, application: a.name }));
  s.setExists(on, topic, false);
  s.setCopied(topic, false);
  s.setAlone(on, topic, false);
  return [
    ...lost,
    ...(s.authority(topic) === on ? [breach('topics-first', null, `${topic} is removed on ${on}, where its authority is.`)] : []),
    ...users.map((a) => breach('topics-first', a.name, `${topic} is removed on ${on} while ${a.name} runs there.`)),
    ...mirrors.map((x) => breach('topics-first', null, `${topic} is removed on ${on} while mirror ${x.name} runs.`)),
  ];
}

function mirror(s: State, e: Of<'mirror'>): readonly Found[] {
  const seen = { name: e.mirror, topics: e.topics, toward: e.toward };
  // One that never ran can neither be silenced nor go.
  if (e.state !== 'running') { if (s.mirrors().some((x) => x.name === e.mirror)) s.setMirror(seen, e.state); return []; }
  const others = [...new Set(e.topics.flatMap((t) => s.mirrorsOf(t)))].filter((x) => x.name !== e.mirror && s.mirror(x.name) === 'running');
  const found = [
    ...e.topics.filter((t) => !s.exists(e.toward, t)).map((t) => breach('topics-first', null, `Mirror ${e.mirror} runs before ${t} exists on ${e.toward}.`)),
    ...e.topics.filter((t) => s.authority(t) === e.toward).map((t) => breach('mirror-one-way', null, `Mirror ${e.mirror} copies ${t} toward ${e.toward}, where its authority is.`)),
    ...others.map((x) => breach('mirror-one-way', null, `Mirror ${e.mirror} starts while ${x.name} copies the same topics toward ${x.toward}.`)),
    ...(s.spent(e.mirror) && !e.anew ? [breach('mirror-one-way', null, `Mirror ${e.mirror} ran before a cut that took effect and must never run again.`)] : []),
  ];
  if (e.anew) {
    s.setSpent(e.mirror, false);
    s.setDrained(e.mirror, false);
  }
  s.setMirror(seen, 'running');
  // A log that is fed again is no closed remainder, unless part of it is nowhere else.
  for (const t of e.topics) if (!s.alone(e.toward, t)) s.setClosed(e.toward, t, false);
  for (const t of e.topics) if (!s.copied(t)) linked(s, t);
  for (const t of e.topics) outdated(s, t, e.toward);
  return found;
}

/** Copies arrive of what a group reads on the other side only: where it has been before, they are ahead of its position. */
function outdated(s: State, topic: string, toward: Side): void {
  for (const a of s.ground.usersOf([topic])) if (s.place(a.name) === otherSide(toward))
    for (const r of a.reads) if (r.topics.includes(topic) && s.position(r.group, topic, toward) !== 'none') s.setPosition(r.group, topic, toward, 'stale');
}

/** From now on a group that reads on one side leaves its position on the other behind. */
function linked(s: State, topic: string): void {
  s.setCopied(topic, true);
  for (const a of s.ground.usersOf([topic]))
    for (const on of sidesOf(s.place(a.name)))
      for (const r of a.reads) if (r.topics.includes(topic) && s.position(r.group, topic, otherSide(on)) !== 'none') s.setPosition(r.group, topic, otherSide(on), 'stale');
}

function run(s: State, e: Of<'run'>): readonly Found[] {
  const a = s.ground.applications.find((x) => x.name === e.application);
  if (a === undefined) return [breach('nothing-left', e.application, `${e.application} is started or stopped, but the migration does not declare it.`)];
  const was = s.place(a.name);
  const starts = sidesOf(e.on).filter((on) => !isOn(was, on));
  const found = starts.flatMap((on) => startsOn(s, a, on));
  s.setPlace(a.name, e.on);
  s.setResting(a.name, e.resting === true);
  if (isOn(e.on, 'target')) s.setSecond(a.name, 'gone');
  if (e.on === 'stopped') return found;
  s.setQuiet(a.name, false);
  for (const on of sidesOf(e.on)) went(s, a, on, was);
  return found;
}

/** What must be there before the first process of an application starts on a side. */
function startsOn(s: State, a: Application, on: Side): readonly Found[] {
  const topics = [...new Set([...a.writes, ...a.reads.flatMap((r) => r.topics)])];
  return [
    ...topics.filter((t) => !s.exists(on, t)).map((t) => breach('topics-first', a.name, `${a.name} starts on ${on} before ${t} exists there.`)),
    ...a.writes.filter((t) => s.fenced(on, t)).map((t) => breach('fence-stands', a.name, `${a.name} starts on ${on} while the fence of ${t} is up there.`)),
    ...a.reads.flatMap((r) => r.topics.flatMap((t) => {
      const worth = s.position(r.group, t, on);
      if (worth === 'none') return [breach('positions-first', a.name, `${a.name} starts on ${on} before group ${r.group} has a position for ${t} there.`)];
      if (worth === 'stale') return [breach('positions-first', a.name, `${a.name} starts on ${on}, but the position of group ${r.group} for ${t} there is older than what the group has read on ${otherSide(on)}.`)];
      return [];
    })),
  ];
}

/** What running makes true: positions move on here and go stale there, proofs about what it writes are void. */
function went(s: State, a: Application, on: Side, was: Place): void {
  for (const r of a.reads)
    for (const t of r.topics) {
      s.setPosition(r.group, t, on, 'fresh');
      if (s.copied(t) && was !== 'both' && !standsStill(s, a, r.group, t, on) && s.position(r.group, t, otherSide(on)) !== 'none') s.setPosition(r.group, t, otherSide(on), 'stale');
    }
  for (const t of a.writes) {
    for (const b of s.ground.usersOf([t])) for (const r of b.reads) s.setHasRead(r.group, t, on, false);
    for (const x of s.mirrorsOf(t)) {
      s.setDrained(x.name, false);
      if (s.opened(t) !== on) s.setSpent(x.name, true);
    }
    s.setOpened(t, on);
    s.setDry(t, false);
  }
}

/** Nothing that the group has not read comes there: the other side's position still says how far it has got. */
const standsStill = (s: State, a: Application, group: string, topic: string, on: Side): boolean =>
  s.place(a.name) === 'both' || (s.authority(topic) !== on && !s.fed(topic, on) && s.hasRead(group, topic, on));

function fence(s: State, e: Of<'fence'>): readonly Found[] {
  for (const t of e.topics) s.setFenced(e.on, t, e.state === 'up');
  if (e.state === 'down') return [];
  return e.topics.flatMap((t) => s.ground.writersOf([t]).filter((a) => isOn(s.place(a.name), e.on))
    .map((a) => breach('fence-stands', a.name, `${t} is fenced on ${e.on} while ${a.name} writes there.`)));
}

/** What a proof would say cannot be proven any more; a person has said it. Their positions there are known as of the last sweep. */
function giveUp(s: State, e: Of<'give-up'>): readonly Found[] {
  for (const name of e.applications) {
    const goesOn = isOn(s.place(name), otherSide(e.on));
    s.setPlace(name, goesOn ? otherSide(e.on) : 'stopped');
    s.setResting(name, false);
    s.setQuiet(name, !goesOn);
  }
  const topics = s.ground.topics.filter((t) => s.authority(t) === e.on);
  for (const x of topics.flatMap((t) => s.mirrorsOf(t))) s.setDrained(x.name, true);
  for (const t of topics) for (const a of s.ground.usersOf([t])) for (const r of a.reads) if (r.topics.includes(t)) s.setHasRead(r.group, t, e.on, true);
  return [];
}

/** Counts only with all writers proven quiet: otherwise the next record follows the proof. */
function drained(s: State, e: Of<'prove-mirror-drained'>): readonly Found[] {
  const seen = s.mirrors().find((x) => x.name === e.mirror);
  if (seen === undefined || s.mirror(e.mirror) === 'gone') return [breach('cut-is-proven', null, `Mirror ${e.mirror} is to be proven drained, but it does not exist.`)];
  if (s.ground.writersOf(seen.topics).every((a) => s.quiet(a.name))) s.setDrained(e.mirror, true);
  return [];
}

/** A group drains a log only while its application runs: taken first when it is stopped, the proof would hold by luck alone. */
function groupDrained(s: State, e: Of<'prove-group-drained'>): readonly Found[] {
  return e.topics.flatMap((t) => {
    const closed = s.authority(t) !== e.on ? s.closed(e.on, t) || !s.fed(t, e.on) : s.ground.writersOf([t]).every((a) => s.quiet(a.name));
    if (!closed || s.hasRead(e.group, t, e.on)) return [];
    s.setHasRead(e.group, t, e.on, true);
    const members = s.ground.ofGroup(e.group);
    return members.some((a) => s.place(a.name) !== 'stopped') || s.dry(t) ? []
      : members.map((a) => breach('reads-what-comes', a.name, `Group ${e.group} is to have drained ${t} on ${e.on}, but ${a.name} was stopped together with what writes ${t}: what is unread then is never read.`));
  });
}

/** Counts only when nothing from outside can set the loop going again: its other writers are quiet, and its inputs were read to their end. */
function ranDry(s: State, e: Of<'prove-dry'>): readonly Found[] {
  const inside = s.ground.applications.filter((a) => e.applications.includes(a.name));
  const fed = s.ground.writersOf(e.topics).some((a) => !inside.includes(a) && !s.quiet(a.name));
  const unread = inside.some((a) => a.reads.some((r) => r.topics.some((t) => !e.topics.includes(t) && !s.hasRead(r.group, t, s.authority(t)))));
  if (!fed && !unread) for (const t of e.topics) s.setDry(t, true);
  return [];
}

function cut(s: State, e: Of<'cut'>): readonly Found[] {
  const topics = e.topics.filter((t) => s.authority(t) !== e.to);
  // Nothing was written on the side that is left: the cut never took effect, and calling it off needs no proof.
  const calledOff = topics.filter((t) => s.opened(t) === e.to && s.closed(e.to, t));
  const moved = topics.filter((t) => !calledOff.includes(t));
  const found = [...cutWriters(s, e, moved), ...moved.flatMap((t) => cutTopic(s, e, t)),
    ...calledOff.flatMap((t) => s.mirrorsOf(t).filter((x) => x.toward === e.to && s.mirror(x.name) === 'running').map((x) => breach('cut-is-proven', null, `${t} is cut to ${e.to} while mirror ${x.name} still copies it there.`)))];
  for (const t of calledOff) s.setClosed(e.to, t, false);
  for (const t of moved) {
    if (!s.mirrorsOf(t).some((x) => x.toward === e.to && s.drained(x.name))) s.setAlone(otherSide(e.to), t, true);
    s.setClosed(otherSide(e.to), t, true);
    s.setClosed(e.to, t, false);
  }
  for (const t of topics) s.setAuthority(t, e.to);
  return found;
}

function cutWriters(s: State, e: Of<'cut'>, topics: readonly string[]): readonly Found[] {
  return s.ground.writersOf(topics).flatMap((a) => {
    const behind = a.writes.filter((t) => !e.topics.includes(t) && s.authority(t) !== e.to);
    return [
      ...(s.place(a.name) !== 'stopped' ? [breach('cut-is-proven', a.name, `${e.set} is cut to ${e.to} while ${a.name} runs ${spoken(s.place(a.name))}.`)] : []),
      ...(s.place(a.name) === 'stopped' && !s.quiet(a.name) ? [breach('cut-is-proven', a.name, `${e.set} is cut to ${e.to} before ${a.name} is proven quiet.`)] : []),
      ...(behind.length > 0 ? [breach('cut-is-proven', a.name, `${e.set} is cut to ${e.to} without ${behind.join(', ')}, which ${a.name} writes too.`)] : []),
    ];
  });
}

function cutTopic(s: State, e: Of<'cut'>, topic: string): readonly Found[] {
  const mirrors = s.mirrorsOf(topic).filter((x) => x.toward === e.to);
  const running = mirrors.filter((x) => s.mirror(x.name) === 'running');
  return [
    ...(s.exists(e.to, topic) ? [] : [breach('topics-first', null, `${topic} is cut to ${e.to} before it exists there.`)]),
    ...running.map((x) => breach('cut-is-proven', null, `${topic} is cut to ${e.to} while mirror ${x.name} still copies it there.`)),
    ...(mirrors.length > 0 && !mirrors.some((x) => s.drained(x.name))
      ? [breach('cut-is-proven', null, `${topic} is cut to ${e.to} before mirror ${mirrors.map((x) => x.name).join(', ')} is proven drained with its writers quiet.`)] : []),
  ];
}

/** What must be so when everything was done. */
export function atTheEnd(s: State, side: Side): readonly Found[] {
  return [
    ...s.ground.applications.filter((a) => s.place(a.name) !== side).map((a) => breach('nothing-left', a.name, `${a.name} is left ${spoken(s.place(a.name))}; it must run on ${side}.`)),
    ...s.ground.moving.filter((t) => s.authority(t) !== side).map((t) => breach('nothing-left', null, `${t} is left with its authority on ${s.authority(t)}.`)),
    ...s.ground.applications.filter((a) => s.second(a.name) !== 'gone').map((a) => breach('nothing-left', a.name, `A second set of ${a.name} is left ${s.second(a.name)}.`)),
    ...s.mirrors().filter((x) => s.mirror(x.name) === 'running' && x.topics.some((t) => s.ground.moving.includes(t))).map((x) => breach('nothing-left', null, `Mirror ${x.name} is left running.`)),
    ...s.ground.topics.filter((t) => s.fenced(side, t)).map((t) => breach('nothing-left', null, `The fence of ${t} on ${side} is left up.`)),
  ];
}
