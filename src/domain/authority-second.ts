/** Rules for a second (green) set of an application on the target, beside the first one on the source. */
import type { Of, Found, Way } from './authority-rules.ts';
import { breach } from './authority-rules.ts';
import type { State } from './authority-state.ts';
import { isOn } from './authority-state.ts';

export function secondSet(s: State, e: Of<'second-set'>, way: Way): readonly Found[] {
  const a = s.ground.applications.find((x) => x.name === e.application);
  if (a === undefined) return [breach('nothing-left', e.application, `A second set of ${e.application} is started or stopped, but the migration does not declare it.`)];
  s.setSecond(a.name, e.state);
  if (e.state === 'gone' || way === 'undo') return [];
  const topics = [...new Set([...a.writes, ...a.reads.flatMap((r) => r.topics)])];
  return [
    ...(isOn(s.place(a.name), 'target') ? [breach('second-set-muted', a.name, `A second set of ${a.name} starts on the target, where the application itself runs.`)] : []),
    ...(e.state === 'doubling' && a.writes.length > 0 ? [breach('second-set-muted', a.name, `The second set of ${a.name} is not muted, and would write ${a.writes.join(', ')} beside the mirror.`)] : []),
    ...topics.filter((t) => !s.exists('target', t)).map((t) => breach('topics-first', a.name, `The second set of ${a.name} starts before ${t} exists on the target.`)),
    ...a.reads.flatMap((r) => r.topics.filter((t) => s.position(r.group, t, 'target') === 'none').map((t) => breach('positions-first', a.name, `The second set of ${a.name} starts before group ${r.group} has a position for ${t} on the target.`))),
  ];
}

/** Both sets have read the same: everything, up to where the writers stopped and the mirror ended. Only then may the second one take over. */
export function even(s: State, name: string): readonly Found[] {
  const a = s.ground.applications.find((x) => x.name === name);
  if (a === undefined || s.second(name) === 'gone') return [breach('second-set-muted', name, `The second set of ${name} is to be proven even, but there is none.`)];
  return a.reads.flatMap((r) => r.topics.flatMap((t) => {
    const first = s.place(name) === 'stopped' && s.quiet(name) && s.hasRead(r.group, t, 'source');
    const copied = s.ground.writersOf([t]).every((w) => s.quiet(w.name)) && s.mirrorsOf(t).some((x) => x.toward === 'target' && s.mirror(x.name) !== 'running' && s.drained(x.name));
    if (!first) return [breach('second-set-muted', name, `The second set of ${name} is taken to be even in ${t} before the first one is gone and proven to have read all of it on the source.`)];
    if (!copied) return [breach('second-set-muted', name, `The second set of ${name} is taken to be even in ${t} before the mirror is proven drained and silent.`)];
    s.setPosition(r.group, t, 'target', 'cut');
    return [];
  }));
}
