"""The data sets of the FCN papers, whose labels are MATLAB files."""
