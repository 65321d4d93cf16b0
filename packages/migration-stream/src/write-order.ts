/*
 * The order in which xc_domain_save and libxl write: for each step, the steps that it may follow. A whole xl
 * file goes from the first line to the last; a bare libxl stream starts at libxlHeader and a bare libxc
 * stream at imageHeader, where it also ends.
 */

export type Step =
  | 'start'
  | 'xlHeader'
  | 'libxlHeader'
  | 'libxcContext'
  | 'imageHeader'
  | 'domainHeader'
  | 'x86PvInfo'
  | 'cpuidPolicy'
  | 'msrPolicy'
  | 'staticDataEnd'
  | 'p2mFrames'
  | 'pageData'
  | 'verify'
  | 'tscInfo'
  | 'sharedInfo'
  | 'vcpuBasic'
  | 'vcpuExtended'
  | 'vcpuXsave'
  | 'vcpuMsrs'
  | 'end'
  | 'libxlEnd';

export const FOLLOWS: { readonly [S in Step]: readonly Step[] } = {
  start: [],
  xlHeader: ['start'],
  libxlHeader: ['start', 'xlHeader'],
  libxcContext: ['libxlHeader'],
  imageHeader: ['start', 'libxcContext'],
  domainHeader: ['imageHeader'],
  x86PvInfo: ['domainHeader'],
  cpuidPolicy: ['x86PvInfo'],
  msrPolicy: ['x86PvInfo', 'cpuidPolicy'],
  staticDataEnd: ['x86PvInfo', 'cpuidPolicy', 'msrPolicy'],
  p2mFrames: ['staticDataEnd'],
  pageData: ['p2mFrames', 'pageData', 'verify'],
  verify: ['pageData'],
  tscInfo: ['pageData'],
  sharedInfo: ['tscInfo'],
  vcpuBasic: ['sharedInfo', 'vcpuBasic', 'vcpuExtended', 'vcpuXsave', 'vcpuMsrs'],
  vcpuExtended: ['vcpuBasic'],
  vcpuXsave: ['vcpuBasic', 'vcpuExtended'],
  vcpuMsrs: ['vcpuBasic', 'vcpuExtended', 'vcpuXsave'],
  end: ['vcpuBasic', 'vcpuExtended', 'vcpuXsave', 'vcpuMsrs'],
  libxlEnd: ['end'],
};

/** The steps that may follow a step. */
export const nextSteps = (step: Step): Step[] =>
  (Object.keys(FOLLOWS) as Step[]).filter((next) => FOLLOWS[next].includes(step));
