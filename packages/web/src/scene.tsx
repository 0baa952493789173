import { BearFace } from "./bear-mark.tsx"

export type SceneHour = "dawn" | "day" | "dusk" | "night"

export function sceneHourOf(hour: number): SceneHour {
  if (hour < 5 || hour >= 21) return "night"
  if (hour < 9) return "dawn"
  return hour < 17 ? "day" : "dusk"
}

/** Where the sun, or the moon, stands. */
const lights: Record<SceneHour, { x: number; y: number; radius: number }> = {
  dawn: { x: 84, y: 84, radius: 20 },
  day: { x: 118, y: 34, radius: 15 },
  dusk: { x: 292, y: 82, radius: 22 },
  night: { x: 286, y: 30, radius: 11 },
}

const trees = [
  [30, 104, 15],
  [52, 98, 20],
  [70, 102, 13],
  [296, 96, 21],
  [320, 100, 15],
  [340, 103, 11],
] as const

/** Grizz behind the next ridge, in the light of the hour. Decoration. */
export function Scene({ hour }: { hour: SceneHour }) {
  const { x, y, radius } = lights[hour]
  return (
    <svg className="scene" viewBox="0 0 360 128" data-hour={hour} aria-hidden="true" focusable="false">
      <circle className="scene-light" cx={x} cy={y} r={radius} />
      {hour === "night" && <circle className="scene-ground" cx={x - 5} cy={y - 3} r={radius - 1} />}
      <path className="scene-far" d="M0 96C40 70 66 58 96 66s46 8 78-14 58-14 86 6 62 26 100 34v36H0z" />
      <path className="scene-near" d="M0 106c48-22 92-16 138-8 60 10 96-8 138-14 34-4 62 6 84 16v20H0z" />
      {trees.map(([left, foot, height]) => (
        <path
          key={left}
          className="scene-tree"
          d={`M${left} ${foot - height}l${height / 3} ${height}h-${height / 1.5}z`}
        />
      ))}
      <g transform="translate(138 30) scale(2.7)">
        <BearFace />
      </g>
      <path className="scene-ground" d="M-8 132v-18c62-12 118-14 188-10s126 12 188 8v20z" />
    </svg>
  )
}
