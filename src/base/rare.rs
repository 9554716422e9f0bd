//! Parts of a large structure that hardly anybody changes: as long as they are as usual they take one word.

use std::ops::{Deref, DerefMut};

/// What such a part is when nothing was said of it.
pub trait Usual: Clone + PartialEq + 'static {
    const USUAL: &'static Self;
}

impl<T: Clone + PartialEq + 'static> Usual for Vec<T> {
    const USUAL: &'static Self = &Vec::new();
}

#[derive(Clone, Debug)]
pub struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Rare(None)
    }
}

impl<T: Usual> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Rare((value != *T::USUAL).then(|| Box::new(value)))
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::USUAL.clone()))
    }
}

impl<'a, T: Clone + PartialEq + 'static> IntoIterator for &'a Rare<Vec<T>> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// However it is kept.
impl<T: Usual> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Usual for [u8; 2] {
        const USUAL: &'static Self = &[1, 2];
    }

    #[test]
    fn the_usual_takes_no_memory_and_compares_equal() {
        let mut a = Rare::from([1, 2]);
        assert!(a.0.is_none());
        assert_eq!(*a, [1, 2]);
        a[0] = 3;
        assert_eq!((*a, a == Rare::default()), ([3, 2], false));
        a[0] = 1;
        assert!(a == Rare::default() && a.0.is_some());
    }
}
