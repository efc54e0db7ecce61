//! The window's own icons: a few strokes on a grid of 24, drawn in the colour of the text beside them.

use eframe::egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Review,
    Line,
    Labels,
    Models,
    Promise,
    Settings,
    Pointer,
    Box,
    Polygon,
    Brush,
    Eraser,
    Cut,
    Merge,
    Delete,
    Close,
    Folder,
    Plus,
    Play,
}

/// Open and closed lines of an icon, and its circles as (x, y, radius).
struct Strokes {
    lines: Lines,
    circles: Circles,
}

type Lines = &'static [&'static [(f32, f32)]];
type Circles = &'static [(f32, f32, f32)];

impl Icon {
    const fn strokes(self) -> Strokes {
        let (lines, circles): (Lines, Circles) = match self {
            Self::Review => (
                &[&[
                    (2.0, 12.0),
                    (5.0, 8.3),
                    (8.5, 6.2),
                    (12.0, 5.5),
                    (15.5, 6.2),
                    (19.0, 8.3),
                    (22.0, 12.0),
                    (19.0, 15.7),
                    (15.5, 17.8),
                    (12.0, 18.5),
                    (8.5, 17.8),
                    (5.0, 15.7),
                    (2.0, 12.0),
                ]],
                &[(12.0, 12.0, 3.0)],
            ),
            Self::Line => (&[&[(3.0, 17.0), (9.0, 10.0), (13.0, 14.0), (21.0, 5.0)]], &[]),
            Self::Labels => (
                &[&[(3.0, 3.0), (12.0, 3.0), (21.0, 12.0), (12.0, 21.0), (3.0, 12.0), (3.0, 3.0)]],
                &[(7.5, 7.5, 1.3)],
            ),
            Self::Models => (
                &[
                    &[
                        (12.0, 2.5),
                        (20.5, 7.0),
                        (20.5, 17.0),
                        (12.0, 21.5),
                        (3.5, 17.0),
                        (3.5, 7.0),
                        (12.0, 2.5),
                    ],
                    &[(3.5, 7.0), (12.0, 12.0), (20.5, 7.0)],
                    &[(12.0, 12.0), (12.0, 21.5)],
                ],
                &[],
            ),
            Self::Promise => (
                &[
                    &[
                        (12.0, 2.5),
                        (20.0, 5.5),
                        (20.0, 11.5),
                        (17.0, 17.5),
                        (12.0, 21.5),
                        (7.0, 17.5),
                        (4.0, 11.5),
                        (4.0, 5.5),
                        (12.0, 2.5),
                    ],
                    &[(8.5, 12.0), (11.0, 14.5), (15.5, 9.0)],
                ],
                &[],
            ),
            Self::Settings => (
                &[&[(3.0, 6.0), (21.0, 6.0)], &[(3.0, 12.0), (21.0, 12.0)], &[(3.0, 18.0), (21.0, 18.0)]],
                &[(9.0, 6.0, 2.4), (16.0, 12.0, 2.4), (7.0, 18.0, 2.4)],
            ),
            Self::Pointer => (
                &[&[
                    (5.0, 3.0),
                    (5.0, 19.0),
                    (9.5, 15.0),
                    (12.5, 21.0),
                    (15.0, 19.8),
                    (12.2, 14.0),
                    (18.0, 13.5),
                    (5.0, 3.0),
                ]],
                &[],
            ),
            Self::Box => (&[&[(4.0, 5.0), (20.0, 5.0), (20.0, 19.0), (4.0, 19.0), (4.0, 5.0)]], &[]),
            Self::Polygon => {
                (&[&[(12.0, 3.0), (21.0, 10.0), (17.0, 20.0), (6.0, 19.0), (3.0, 9.0), (12.0, 3.0)]], &[])
            }
            Self::Brush => (&[&[(20.0, 4.0), (11.0, 13.0)]], &[(7.5, 16.5, 4.0)]),
            Self::Eraser => (
                &[
                    &[(9.0, 20.0), (3.0, 14.0), (14.0, 3.0), (21.0, 10.0), (11.0, 20.0), (9.0, 20.0)],
                    &[(8.5, 8.5), (15.5, 15.5)],
                ],
                &[],
            ),
            Self::Cut => (
                &[&[(6.0, 3.0), (16.0, 17.0)], &[(18.0, 3.0), (8.0, 17.0)]],
                &[(6.5, 19.0, 2.5), (17.5, 19.0, 2.5)],
            ),
            Self::Merge => (
                &[
                    &[(4.0, 4.0), (15.0, 4.0), (15.0, 15.0), (4.0, 15.0), (4.0, 4.0)],
                    &[(15.0, 9.0), (20.0, 9.0), (20.0, 20.0), (9.0, 20.0), (9.0, 15.0)],
                ],
                &[],
            ),
            Self::Delete => (
                &[
                    &[(4.0, 6.5), (20.0, 6.5)],
                    &[(6.0, 6.5), (7.0, 21.0), (17.0, 21.0), (18.0, 6.5)],
                    &[(9.0, 6.5), (9.0, 3.0), (15.0, 3.0), (15.0, 6.5)],
                ],
                &[],
            ),
            Self::Close => (&[&[(5.0, 5.0), (19.0, 19.0)], &[(19.0, 5.0), (5.0, 19.0)]], &[]),
            Self::Folder => (
                &[&[(3.0, 5.0), (9.0, 5.0), (11.5, 8.0), (21.0, 8.0), (21.0, 19.0), (3.0, 19.0), (3.0, 5.0)]],
                &[],
            ),
            Self::Plus => (&[&[(12.0, 4.0), (12.0, 20.0)], &[(4.0, 12.0), (20.0, 12.0)]], &[]),
            Self::Play => (&[&[(6.0, 4.0), (19.0, 12.0), (6.0, 20.0), (6.0, 4.0)]], &[]),
        };
        Strokes { lines, circles }
    }

    /// Draws the icon into a square.
    pub fn paint(self, painter: &Painter, rect: Rect, color: Color32) {
        let side = rect.width().min(rect.height());
        let origin = rect.center() - vec2(side, side) / 2.0;
        let place =
            |(x, y): (f32, f32)| -> Pos2 { pos2(origin.x + x / 24.0 * side, origin.y + y / 24.0 * side) };
        let stroke = Stroke::new((side / 13.0).max(1.2), color);
        let Strokes { lines, circles } = self.strokes();
        for line in lines {
            painter.add(Shape::line(line.iter().map(|&point| place(point)).collect(), stroke));
        }
        for &(x, y, radius) in circles {
            painter.circle_stroke(place((x, y)), radius / 24.0 * side, stroke);
        }
    }
}
