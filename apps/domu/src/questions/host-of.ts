import type { World } from '../world.ts';

/** Which host a number is a frame of; undefined when it is one of none. */
export const hostOf = (worlds: readonly World[], frame: number): 0 | 1 | undefined => {
  const inside = (world: World | undefined): boolean =>
    world !== undefined &&
    frame >= world.hv.firstMfn &&
    frame < world.hv.firstMfn + world.hv.frames;
  if (inside(worlds[0])) return 0;
  return inside(worlds[1]) ? 1 : undefined;
};
