const paths = {
  menu: "M4 7h16M4 12h16M4 17h10",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M5.5 11.5L12 5l6.5 6.5",
  down: "M12 5v14M5.5 12.5L12 19l6.5-6.5",
  back: "M19 12H5m6.5-6.5L5 12l6.5 6.5",
  forward: "M5 12h14m-6.5-6.5L19 12l-6.5 6.5",
  copy: "M9 9h10v10H9zM5 15V5h10",
  done: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 7v5l3 2M12 3a9 9 0 110 18 9 9 0 010-18z",
  warning: "M12 8v5m0 3.2v.1M12 3.5l9.5 16.5h-19z",
  stopped: "M12 3a9 9 0 110 18 9 9 0 010-18zM9.5 9.5h5v5h-5z",
  memory: "M6 4h11v16l-5.5-4L6 20z",
  search: "M10.5 4a6.5 6.5 0 110 13 6.5 6.5 0 010-13zM15.5 15.5L20 20",
  leave: "M14 4h5v16h-5M4 12h11m-4-4l4 4-4 4",
} as const

/** A line icon. Decoration: the control that holds it has a name of its own. `size` in CSS pixels. */
export function Icon({ name, size = 20 }: { name: keyof typeof paths; size?: number }) {
  return (
    <svg
      className={`icon icon-${name}`}
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  )
}
