"""The networks that judge the miniature world; trained apart from the model they judge, shipped with the package."""
