"""The methods of the penalty, one to a module; none imports torch before it is used."""
