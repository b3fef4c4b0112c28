// What the face check says: short, as one would say it aloud, because it is read while moving.

/** Left and right are the person's own. */
export const MOVES = {
  "look-straight": ["正对屏幕，保持不动", "Look straight, hold still"],
  "turn-left": ["慢慢向左转头", "Turn slowly to your left"],
  "turn-right": ["慢慢向右转头", "Turn slowly to your right"],
  "open-mouth": ["张开嘴，再合上", "Open your mouth, then close"],
  nod: ["慢慢点头", "Nod slowly"],
  "watch-colours": ["看着屏幕，不要动", "Keep looking, hold still"],
};
export const ALLOW = ["请在弹出的窗口中允许使用摄像头", "Allow the camera in the window that opens"];
export const PLACE = ["把脸放进椭圆框", "Bring your face into the oval"];
export const BACK = ["很好，转回正面", "Good. Look straight again"];
export const SENDING = ["正在核验，请稍候", "Checking, one moment"];
export const AGAIN = ["重新开始", "Try again"];

/** Why the camera cannot be used, and what to do; the keys are the reasons of CameraUnavailable. */
export const CAMERA_PROBLEMS = {
  refused: [
    "摄像头未获允许。请点地址栏旁的图标或在系统设置里允许本网站使用摄像头，再点“重新开始”；也可以选择人工协助。",
    "The camera was not allowed. Allow it beside the address bar or in the system settings and try again, or choose officer-assisted.",
  ],
  missing: [
    "没有找到摄像头。请换用有前置摄像头的手机打开此链接，或选择人工协助。",
    "No camera was found. Open the link on a phone with a front camera, or choose officer-assisted.",
  ],
  busy: [
    "摄像头正被其他应用使用。请关闭视频通话等应用后再试。",
    "Another application is using the camera. Close it and try again.",
  ],
  "in-app": [
    "当前应用内不能使用摄像头。请点右上角“…”，选择“在浏览器中打开”；也可以选择人工协助。",
    "The camera cannot be used inside this application. Choose “Open in browser” in its menu, or officer-assisted.",
  ],
  unsupported: [
    "此浏览器无法使用摄像头。请用手机自带的浏览器打开此链接，或选择人工协助。",
    "This browser cannot use a camera. Open the link in your phone's own browser, or choose officer-assisted.",
  ],
  interrupted: [
    "过程被打断了。请保持本页面在前台，再试一次。",
    "That was interrupted. Keep this page in front and try again.",
  ],
  rotated: [
    "手机转动了方向。请竖着拿稳手机，再试一次。",
    "The phone was rotated. Hold it upright and try again.",
  ],
  cancelled: ["已取消，摄像头已关闭。", "Cancelled. The camera is off."],
};

const MOVE_SLOWLY = ["动作没有看清。请等提示出现后再动，动作慢一些、大一些。", "The movement was not seen. Wait for the prompt, then move slowly and clearly."];
const COME_NEARER = ["脸离得太远。请把手机拿近，让脸填满椭圆框。", "Your face is too far away. Come closer until it fills the oval."];
const LET_LIGHT_IN = ["屏幕的光没有照到脸上。请调高屏幕亮度、避开强光，把手机拿近后再试。", "The screen's light did not reach your face. Raise the brightness, avoid strong light, come closer and try again."];
const HOLD_STILL = ["画面晃动或中断了。请拿稳手机，一口气做完。", "The picture jumped or stopped. Hold the phone steady and do it in one go."];
const ALONE = ["前后看到的不像同一个人。请您独自正对屏幕再试。", "It did not look like one person throughout. Face the screen alone and try again."];
const ELSEWHERE = ["这次的画面与之前的太相似。请换个位置或角度再试。", "These pictures are too like earlier ones. Move to another place or angle and try again."];

/** What to do better, by the check of the liveness report that did not pass. */
export const ADVICE = {
  "turn-left": MOVE_SLOWLY,
  "turn-right": MOVE_SLOWLY,
  "open-mouth": MOVE_SLOWLY,
  nod: MOVE_SLOWLY,
  "depth-on-turn": MOVE_SLOWLY,
  "look-straight": ["开始时请正对屏幕。", "Look straight at the screen when it begins."],
  "eye-distance-px": COME_NEARER,
  "face-shift": HOLD_STILL,
  "largest-gap-ms": HOLD_STILL,
  "repeated-frames": HOLD_STILL,
  "same-person": ALONE,
  "repeated-capture": ELSEWHERE,
  "flash-response": LET_LIGHT_IN,
  "flash-strength": LET_LIGHT_IN,
  "flash-shading": LET_LIGHT_IN,
};
