//! Range views: the outputs and the scratch that tasks share, of which each task has a range.
//!
//! ```text
//! for_each_task(tasks, threads,
//!     (ranges(outputs, bound), shares(scratch, elements)),
//!     |task, (outputs, scratch)| ...)      # outputs bound(task)..bound(task + 1), one share
//! ```
//!
//! A task is an index, and what it writes follows from it. Views are cut where the tasks are, so
//! that the ranges of two tasks have nothing in common.

use std::ops::Range;

use crate::driver::parallel::both;
use crate::matrix::MatMut;

/// A view that can be cut in two along one axis.
pub(crate) trait Cut: Sized + Send {
    /// What lies before `at`, and the rest.
    fn cut(self, at: usize) -> (Self, Self);
}

impl<E: Send> Cut for &mut [E] {
    #[inline(always)]
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}

/// A matrix is cut into rows.
impl<E: Send> Cut for MatMut<'_, E> {
    #[inline(always)]
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at_row(at)
    }
}

/// An output that is not wanted is none for every task.
impl<V: Cut> Cut for Option<V> {
    #[inline(always)]
    fn cut(self, at: usize) -> (Self, Self) {
        self.map(|view| view.cut(at)).unzip()
    }
}

/// A view that is cut into columns.
pub(crate) struct Columns<V>(pub V);

impl<E: Send> Cut for Columns<MatMut<'_, E>> {
    #[inline(always)]
    fn cut(self, at: usize) -> (Self, Self) {
        let (left, right) = self.0.split_at_col(at);
        (Self(left), Self(right))
    }
}

/// Cuts the listed fields of a struct at the same element, and returns both structs. Other fields
/// are taken from `rest`.
macro_rules! cut_fields {
    ($of:expr, $at:expr, { $($field:ident),* $(,)? } $(, ..$rest:expr)?) => {{
        $(let $field = $crate::driver::divide::Cut::cut($of.$field, $at);)*
        (
            Self { $($field: $field.0,)* $(..$rest)? },
            Self { $($field: $field.1,)* $(..$rest)? },
        )
    }};
}
pub(crate) use cut_fields;

/// What tasks share: one or several views.
pub(crate) trait Views: Sized + Send {
    /// What one task has.
    type Range;
    /// The views of the tasks from `first` to `at`, and those of the tasks from `at` on.
    fn divide(self, first: usize, at: usize) -> (Self, Self);
    /// The views of the only task that is left.
    fn range(self) -> Self::Range;
}

/// A view of which task `i` has what lies from `bound(i)` to `bound(i + 1)`.
pub(crate) struct Ranges<V, B> {
    view: V,
    bound: B,
}

/// A view of which task `i` has what lies from `bound(i)` to `bound(i + 1)`.
#[inline(always)]
pub(crate) fn ranges<V: Cut, B: Fn(usize) -> usize + Copy + Send>(
    view: V,
    bound: B,
) -> Ranges<V, B> {
    Ranges { view, bound }
}

/// A view of which each task has `share` elements.
#[inline(always)]
pub(crate) fn shares<V: Cut>(
    view: V,
    share: usize,
) -> Ranges<V, impl Fn(usize) -> usize + Copy + Send> {
    ranges(view, move |task| task * share)
}

impl<V: Cut, B: Fn(usize) -> usize + Copy + Send> Views for Ranges<V, B> {
    type Range = V;

    #[inline(always)]
    fn divide(self, first: usize, at: usize) -> (Self, Self) {
        let Self { view, bound } = self;
        let (before, rest) = view.cut(bound(at) - bound(first));
        (Self { view: before, bound }, Self { view: rest, bound })
    }

    #[inline(always)]
    fn range(self) -> V {
        self.view
    }
}

/// Several views are divided together.
macro_rules! views {
    ($($View:ident $view:ident $at:tt),*) => {
        impl<$($View: Views),*> Views for ($($View,)*) {
            type Range = ($($View::Range,)*);

            #[inline(always)]
            fn divide(self, first: usize, at: usize) -> (Self, Self) {
                $(let $view = self.$at.divide(first, at);)*
                (($($view.0,)*), ($($view.1,)*))
            }

            #[inline(always)]
            fn range(self) -> Self::Range {
                ($(self.$at.range(),)*)
            }
        }
    };
}

views!(A a 0, B b 1);
views!(A a 0, B b 1, C c 2);
views!(A a 0, B b 1, C c 2, D d 3);
views!(A a 0, B b 1, C c 2, D d 3, E e 4);
views!(A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6);

/// Calls `each` for every task with its ranges of the views, and allocates nothing. `each`
/// dispatches the kernel to its level inside the task: rayon's own functions are compiled without
/// the level's instructions.
#[inline(always)]
pub(crate) fn for_each_task<V: Views>(
    tasks: usize,
    threads: usize,
    views: V,
    each: impl Fn(usize, V::Range) + Sync,
) {
    if tasks == 1 {
        return each(0, views.range());
    }
    halve(0..tasks, threads, views, &each);
}

/// Calls `each` for some tasks, which are halved until one is left.
fn halve<V: Views>(
    tasks: Range<usize>,
    threads: usize,
    views: V,
    each: &(impl Fn(usize, V::Range) + Sync),
) {
    if tasks.len() <= 1 {
        return each(tasks.start, views.range());
    }
    let at = tasks.start + tasks.len() / 2;
    let (first, rest) = views.divide(tasks.start, at);
    both(
        threads,
        || halve(tasks.start..at, threads, first, each),
        || halve(at..tasks.end, threads, rest, each),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every task writes its index, to its rows, its columns and its share.
    #[test]
    fn tasks_have_ranges_that_cover_the_views_and_do_not_overlap() {
        for tasks in 1..7 {
            let (mut rows, mut cols, mut all) = ([9; 26], [9; 26], vec![9; 3 * tasks]);
            let bound = move |task: usize| 13 * task / tasks;
            let views = (
                ranges(MatMut::new(&mut rows, 13, 2).unwrap(), bound),
                ranges(Columns(MatMut::new(&mut cols, 2, 13).unwrap()), bound),
                shares(&mut all[..], 3),
                ranges(None::<&mut [u8]>, bound),
            );
            for_each_task(tasks, 1, views, |task, (mut rows, Columns(mut cols), share, none)| {
                assert_eq!(rows.rows(), bound(task + 1) - bound(task));
                (0..rows.rows()).for_each(|row| rows.row_mut(row).fill(task));
                (0..2).for_each(|row| cols.row_mut(row).fill(task));
                share.fill(task);
                assert!(none.is_none());
            });
            for at in 0..13 {
                let task = (0..tasks).find(|&task| at < bound(task + 1)).unwrap();
                assert!([rows[2 * at], rows[2 * at + 1], cols[at], cols[13 + at]] == [task; 4]);
            }
            assert!(all.iter().enumerate().all(|(at, &task)| task == at / 3));
        }
    }
}
